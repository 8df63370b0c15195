"""Features of a model, and the order of those that other processes made."""

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import nn

from mmsimmim.evaluation import average_map, extract_features, features
from mmsimmim.evaluation.features import gather_in_order


class Model(nn.Module):
    """Two maps behind a batch norm, and a part that is kept frozen in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.frozen = nn.Dropout(0.5).eval()

    def forward(self, inputs, mode):
        assert mode == 'tensor'
        return inputs[:, :1], self.norm(inputs) * 2


def preprocess(batch, training):
    assert not training
    return dict(inputs=batch['inputs'].float() / 255, data_samples=batch['data_samples'])


def make_batches(sizes=(4, 2)):
    generator = torch.Generator().manual_seed(0)
    labels = iter(range(sum(sizes)))
    return [dict(inputs=torch.randint(256, (size, 3, 4, 6), generator=generator, dtype=torch.uint8),
                 data_samples=[BaseDataElement(gt_label=torch.tensor([next(labels)])) for _ in range(size)])
            for size in sizes]


def test_averages_the_chosen_map():
    batches = make_batches()
    images = torch.cat([batch['inputs'] for batch in batches]).float() / 255
    found, labels = extract_features(Model(), preprocess, batches)
    torch.testing.assert_close(found, images.mean(dim=(2, 3)) * 2 / (1 + 1e-5)**0.5)
    assert labels.tolist() == list(range(6)) and labels.dtype == torch.int64
    assert not found.requires_grad
    first, _ = extract_features(Model(), preprocess, batches, out_index=0)
    torch.testing.assert_close(first, images[:, :1].mean(dim=(2, 3)))


def test_modes_and_statistics_stay():
    model = Model().train()
    model.frozen.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extract_features(model, preprocess, make_batches())
    assert model.training and model.norm.training and not model.frozen.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_half_precision_is_averaged_in_float32():
    maps = torch.rand(2, 3, 16, 16).bfloat16()
    found = average_map((maps, ))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, maps.float().mean(dim=(2, 3)))


def test_vectors_stay_as_they_are():
    vectors = torch.rand(2, 3, dtype=torch.float64)
    assert average_map((torch.rand(2, 1, 4, 4), vectors)) is vectors


@pytest.mark.parametrize('out_index, message', [(2, r'gives 2 map\(s\); set out_indices'), (-3, 'out_index -3'),
                                                (1, r'output 1 of the encoder has the shape \(2, 5, 3\)')])
def test_readable_errors(out_index, message):
    with pytest.raises(ValueError, match=message):
        average_map((torch.rand(2, 3, 4, 4), torch.rand(2, 5, 3)), out_index)


def test_shares_of_three_processes_come_in_the_order_of_the_dataset(monkeypatch):
    whole = torch.arange(14).reshape(7, 2)
    padded = torch.cat([whole, whole[:2]])  # as MMEngine's sampler rounds up
    shares = [padded[rank::3] for rank in range(3)]
    monkeypatch.setattr(features, 'get_world_size', lambda: 3)
    monkeypatch.setattr(features, 'all_gather', lambda share: shares)
    assert torch.equal(gather_in_order(shares[1], 7), whole)
