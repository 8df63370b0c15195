"""Losses against loops over positions in Python's own numbers."""

import itertools
import math

import pytest
import torch

from mmsimmim.models import CrossEntropyReconstructionLoss, PixelReconstructionLoss
from mmsimmim.registry import MODELS
from tests.golden import relative_error

DISTANCES = dict(
    L1=abs,
    L2=lambda x: x**2,
    SmoothL1=lambda x: x**2 / 2 if abs(x) < 1 else abs(x) - 0.5)


def compare_naively(pred, target, mask, distance):
    total = 0.
    for b, c, i, j in itertools.product(*map(range, pred.shape)):
        total += distance((pred[b, c, i, j] - target[b, c, i, j]).item()) * mask[b, 0, i, j].item()
    return total / (mask.sum().item() + 1e-5) / pred.shape[1]


def entropy_naively(pred, target, mask):
    groups = target.shape[1]
    classes, total = pred.shape[1] // groups, 0.
    for b, g, i, j in itertools.product(*map(range, target.shape)):
        scores = [pred[b, g * classes + k, i, j].item() for k in range(classes)]
        largest = max(scores)
        total_of_all = largest + math.log(sum(math.exp(score - largest) for score in scores))
        total += (total_of_all - scores[target[b, g, i, j]]) * mask[b, 0, i, j].item()
    return total / (mask.sum().item() + 1e-5) / groups


@pytest.fixture
def random():
    torch.manual_seed(0)


@pytest.fixture(params=['whole positions', 'shares of positions'])
def mask(request, random):
    shares = torch.rand(2, 1, 4, 5, dtype=torch.float64)
    return shares.round() if request.param == 'whole positions' else shares


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('criterion', DISTANCES)
def test_values(criterion, channels, mask):
    pred, target = 2 * torch.randn(2, 2, channels, 4, 5, dtype=torch.float64)
    assert 0.2 < ((pred - target).abs() < 1).double().mean() < 0.8  # both sides of smooth L1
    loss = MODELS.build(dict(type='mmsimmim.PixelReconstructionLoss', criterion=criterion))
    expected = compare_naively(pred, target, mask, DISTANCES[criterion])
    assert loss(pred, target, mask).item() == pytest.approx(expected, rel=1e-12)
    assert loss(pred.float(), target.float(), mask.float()).item() == pytest.approx(expected, rel=1e-5)
    everywhere = compare_naively(pred, target, torch.ones(2, 1, 4, 5), DISTANCES[criterion])
    assert loss(pred, target).item() == pytest.approx(everywhere, rel=1e-12)


@pytest.mark.parametrize('groups, classes', [(1, 2), (3, 8), (1, 512), (4, 5)])
def test_classes(groups, classes, mask):
    pred = 5 * torch.randn(2, groups * classes, 4, 5, dtype=torch.float64)
    target = torch.randint(classes, (2, groups, 4, 5))
    loss = MODELS.build(dict(type='mmsimmim.CrossEntropyReconstructionLoss'))
    expected = entropy_naively(pred, target, mask)
    assert loss(pred, target, mask).item() == pytest.approx(expected, rel=1e-12)
    assert loss(pred.float(), target, mask.float()).item() == pytest.approx(expected, rel=1e-5)
    assert loss(pred, target).item() == pytest.approx(entropy_naively(pred, target, torch.ones(2, 1, 4, 5)), rel=1e-12)


def test_gradient_of_classes_is_probability_less_truth(mask):
    pred = torch.randn(2, 6, 4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randint(3, (2, 2, 4, 5))
    CrossEntropyReconstructionLoss()(pred, target, mask).backward()
    probability = pred.detach().reshape(2, 2, 3, 4, 5).softmax(2)
    truth = torch.stack([(target == k).double() for k in range(3)], 2)
    expected = (probability - truth) * mask[:, :, None] / (mask.sum() + 1e-5) / 2
    torch.testing.assert_close(pred.grad, expected.reshape(2, 6, 4, 5), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_scores_of_a_group_lie_side_by_side(memory_format):
    """Groups and classes must not be mixed up: of two groups, the second is predicted with certainty."""
    pred = torch.zeros(1, 8, 2, 2)
    pred[:, 4 + 2] = 100.
    target = torch.tensor([0, 2]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    loss = CrossEntropyReconstructionLoss()(pred.to(memory_format=memory_format), target)
    assert loss.item() == pytest.approx(math.log(4) / 2, rel=1e-5)


@pytest.mark.parametrize('channel', [1, 2, 3])
def test_divisor_of_the_channels(channel):
    pred, target = torch.randn(2, 2, 3, 4, 4, dtype=torch.float64)
    default = PixelReconstructionLoss('L1')(pred, target)
    assert PixelReconstructionLoss('L1', channel)(pred, target).item() == pytest.approx(default.item() * 3 / channel)


def test_the_official_1e_5_beside_the_number_of_positions():
    """One position, where it can be seen."""
    mask = torch.tensor([[[[1., 0.]]]], dtype=torch.float64)
    zeros = torch.zeros(1, 2, 1, 2, dtype=torch.float64)
    assert PixelReconstructionLoss('L1')(zeros + 3, zeros, mask).item() == pytest.approx(3 / (1 + 1e-5), rel=1e-12)
    entropy = CrossEntropyReconstructionLoss()(zeros, torch.zeros(1, 1, 1, 2, dtype=torch.int64), mask)
    assert entropy.item() == pytest.approx(math.log(2) / (1 + 1e-5), rel=1e-12)


def test_nothing_masked_gives_zero_and_no_gradient():
    mask = torch.zeros(1, 1, 2, 2)
    for loss, target in ((PixelReconstructionLoss('L2'), torch.randn(1, 4, 2, 2)),
                         (CrossEntropyReconstructionLoss(), torch.randint(2, (1, 2, 2, 2)))):
        pred = torch.randn(1, 4, 2, 2, requires_grad=True)
        value = loss(pred, target, mask)
        value.backward()
        assert value == 0 and (pred.grad == 0).all()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(dtype):
    """Sums that are beyond float16, and beyond what bfloat16 can count."""
    torch.manual_seed(0)
    pred = (100 * torch.randn(8, 6, 64, 64)).to(dtype)
    mask = torch.rand(8, 1, 64, 64).round()
    values = torch.randn(8, 6, 64, 64)
    for criterion in DISTANCES:
        loss = PixelReconstructionLoss(criterion)
        value = loss(pred, values, mask)
        assert value.dtype == torch.float32 and value.isfinite()
        assert relative_error(value, loss(pred.double(), values.double(), mask.double())) < 1e-5
    classes, loss = torch.randint(3, (8, 2, 64, 64)), CrossEntropyReconstructionLoss()
    with torch.autocast('cpu', dtype=dtype):
        value = loss(pred, classes, mask)
    assert value.dtype == torch.float32 and value.isfinite()
    assert relative_error(value, loss(pred.double(), classes, mask.double())) < 1e-5


def test_scores_are_not_copied_for_the_softmax():
    """In single precision, forwards: the scores, which are there already, and their logarithms."""
    from mmsimmim.analysis.memory.live_memory import LiveMemory
    pred = torch.randn(4, 3 * 64, 16, 16, requires_grad=True)
    target = torch.randint(64, (4, 3, 16, 16))
    with LiveMemory() as memory:
        CrossEntropyReconstructionLoss()(pred, target)
    assert memory.peak < 1.1 * pred.nbytes


@pytest.mark.parametrize('shape', [(2, 3, 4, 4), (1, 3, 4, 4), (2, 3, 8, 8), (2, 1, 4, 8)])
def test_values_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r'prediction \(2, 3, 4, 8\) and target .* differ in shape'):
        PixelReconstructionLoss('L1')(torch.zeros(2, 3, 4, 8), torch.zeros(shape))


@pytest.mark.parametrize('shape', [(2, 3, 4, 4), (1, 3, 4, 8), (2, 5, 4, 8)])
def test_classes_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r'prediction \(2, 24, 4, 8\) and target .* differ in shape'):
        CrossEntropyReconstructionLoss()(torch.zeros(2, 24, 4, 8), torch.zeros(shape, dtype=torch.int64))


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"criterion 'L3' is none of \['L1', 'L2', 'SmoothL1'\]"):
        PixelReconstructionLoss('L3')
    with pytest.raises(ValueError, match='scores_at_a_time must be at least 1, got 0'):
        CrossEntropyReconstructionLoss(scores_at_a_time=0)
