"""The tool that probes the features of a checkpoint."""

import re

import pytest
import torch
from mmengine.registry import DefaultScope
from torch.nn import functional

from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.commands import probe_features as tool
from mmsimmim.datasets.transforms import LoadImage
from mmsimmim.evaluation import fit_linear_probe, knn_classify
from mmsimmim.registry import MODELS
from tests.visualization.tiny import CONVERTED, tiny_config, write_picture

CLASSES = ('a', 'b', 'c')


@pytest.fixture
def probe(tmp_path, capsys):
    """A function that runs the tool on pictures of 64 px and returns what it prints; the config is beside them."""
    for side, count in dict(train=6, val=4).items():
        for label, name in enumerate(CLASSES):
            for i in range(count):
                write_picture(tmp_path / 'data' / side / name / f'{i}.png', 64, 64, 100 * label + i + 50 * (count == 4))
    tiny_config(tmp_path).dump(tmp_path / 'config.py')

    def run(checkpoint, *options):
        tool.main([str(tmp_path / 'config.py'), str(checkpoint), str(tmp_path / 'data'), '--num-workers', '0',
                   '--device', 'cpu', *options])
        return capsys.readouterr().out

    yield run
    DefaultScope._instance_dict.clear()


def random_encoder(folder):
    """Norms stay as they are made: with random scales and shifts, all images would get nearly the same features."""
    torch.manual_seed(0)
    encoder = MODELS.build(tiny_config(folder).model.backbone)
    for parameter in encoder.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return encoder.eval()


def features_of(encoder, folder):
    """One image at a time, written out."""
    mean, std = (torch.tensor(CONVERTED[key]).reshape(1, 3, 1, 1) for key in ('mean', 'std'))
    features, labels = [], []
    for label, name in enumerate(CLASSES):
        for path in sorted((folder / name).iterdir()):
            image = LoadImage()(dict(img_path=str(path)))['img'][..., ::-1].copy()
            image = torch.from_numpy(image).permute(2, 0, 1)[None].float()
            with torch.no_grad():
                features.append(encoder((image - mean) / std)[-1].mean(dim=(2, 3)))
            labels.append(label)
    return torch.cat(features), torch.tensor(labels)


def test_scores_are_those_of_the_features_of_an_official_file(probe, tmp_path):
    encoder = random_encoder(tmp_path)
    official = convert_state_dict(encoder.state_dict(), to='official')
    torch.save(dict(model=official), tmp_path / 'official.pth')
    train, val = (features_of(encoder, tmp_path / 'data' / side) for side in ('train', 'val'))
    assert torch.cdist(*[functional.normalize(side[0], dim=1) for side in (train, val)]).min() > 0.1, 'near ties'
    right = [(knn_classify(*train, val[0], k=5) == val[1]), (fit_linear_probe(*train, 3).classify(val[0]) == val[1])]
    printed = probe(tmp_path / 'official.pth', '--k', '5')
    assert printed.startswith('12 images of 3 classes, 18 labelled ones, features of 64 numbers')
    assert [float(score) for score in re.findall(r'([\d.]+) %', printed)] == [
        pytest.approx(100 * one.float().mean().item(), abs=0.01) for one in right]


@pytest.mark.parametrize('options, message', [
    (['--k', '19'], 'k must lie between 1 and .* 18'), (['--out-index', '1'], 'out_index 1'),
    (['--val', 'test'], 'test'), (['--train', 'val/..'], 'same classes')])
def test_mistakes_are_told_in_a_sentence(probe, tmp_path, options, message):
    torch.save(dict(state_dict=random_encoder(tmp_path).state_dict()), tmp_path / 'encoder.pth')
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        probe(tmp_path / 'encoder.pth', *options)
