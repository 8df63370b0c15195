"""The tool that draws several models side by side."""

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmsimmim.commands import compare_reconstructions as tool
from mmsimmim.datasets.transforms import MASK_STRATEGIES
from mmsimmim.evaluation import average_distance
from mmsimmim.registry import MODELS
from mmsimmim.visualization import PictureLoader, reconstruct
from mmsimmim.visualization.panels import GAP, LINE
from mmsimmim.visualization.pixel_masks import on_tokens
from tests.visualization.tiny import tiny_config, write_picture

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'compare_reconstructions.py'

VIT = dict(
    type='mmsimmim.VisionTransformer', img_size=64, patch_size=16,
    arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32))


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    """Name to (config, checkpoint) of models with random weights: Swin, another one, ViT, and a Swin of bins."""
    folder = tmp_path_factory.mktemp('models')
    swin, vit, bins = (tiny_config(folder) for _ in range(3))
    vit.model.backbone = VIT
    vit.model.update(neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=16, encoder_stride=16))
    vit.model.head.patch_size = 16
    bins.model.target_generator = dict(type='mmsimmim.ColourBinTarget', num_bins=8, stride=4)
    bins.model.head.loss = dict(type='mmsimmim.CrossEntropyReconstructionLoss')
    init_default_scope('mmpretrain')
    places = {}
    for seed, (name, cfg) in enumerate(dict(swin=swin, other=swin, vit=vit, bins=bins).items()):
        torch.manual_seed(seed)
        cfg.dump(folder / f'{name}.py')
        torch.save(MODELS.build(dict(cfg.model)).state_dict(), folder / f'{name}.pth')
        places[name] = str(folder / f'{name}.py'), str(folder / f'{name}.pth')
    return places


@pytest.fixture
def run(capsys, monkeypatch, tmp_path, models):
    """A function that runs the tool on named models and returns (error or None, printed lines, error stream)."""
    monkeypatch.chdir(tmp_path)

    def call(images, named, *arguments):
        capsys.readouterr()
        chosen = [part for name in named for part in ('--model', *(models.get(name, name) if isinstance(
            name, str) else name))]
        error = None
        try:
            tool.main([*map(str, (images, *chosen, *arguments)), '--device', 'cpu'])
        except SystemExit as stop:
            error = str(stop)
        printed = capsys.readouterr()
        return error, printed.out.splitlines(), printed.err

    return call


def read(path):
    return cv2.imread(str(path))[..., ::-1]


def tiles(sheet, rows, columns, height, width):
    """Tiles of a sheet of equal rows, a list for each row."""
    step = len(sheet) // rows
    return [[sheet[i * step + GAP + LINE:][:height, GAP + j * (width + GAP):][:, :width] for j in range(columns)]
            for i in range(rows)]


def test_same_checkpoint_twice_gives_equal_columns(run, tmp_path):
    path = write_picture(tmp_path / 'a.png')
    error, lines, stderr = run(path, ['swin', 'swin', 'other'], '--names', 'one', 'two', 'three', '--out', 's.png',
                               '--json', 'deep/s.json')
    assert error is None
    assert lines[0] == ('| image | mask | masked | AvgDist | one: loss | one: diff. | two: loss | two: diff. | '
                        'three: loss | three: diff. |')
    cells = [cell.strip() for cell in lines[2].split('|')[1:-1]]
    assert cells[:3] == ['a.png', 'random, 16 px', '62%']
    assert cells[4:6] == cells[6:8] != cells[8:]
    assert stderr.splitlines()[-1] == 's.png'

    _, _, one, two, three = tiles(read('s.png'), 1, 5, 192, 288)[0]
    np.testing.assert_array_equal(one, two)
    assert (one != three).any()
    found = json.loads(Path('deep/s.json').read_text())
    assert [one['name'] for one in found['models']] == ['one', 'two', 'three']
    assert [f'{one["loss"]:.4f}' for one in found['images']] == cells[4::2]
    assert [f'{one["difference"]:.2f}' for one in found['images']] == cells[5::2]


def test_what_is_not_said_is_as_in_the_first_config_and_in_the_other_tool(run, models, tmp_path):
    path = write_picture(tmp_path / 'a.png', 71, 133)
    error, *_ = run(path, ['swin', 'vit'], '--json', 's.json', '--seed', 3)
    assert error is None
    first, second = json.loads(Path('s.json').read_text())['images']
    assert first['size'] == [64, 128] and (first['strategy'], first['mask_patch_size']) == ('random', 16)

    batch = PictureLoader(Config.fromfile(models['swin'][0]), 32, seed=3)(path)
    one = rebuilt(models['swin'], batch['inputs'], mask := batch['data_samples'][0].mask.numpy())
    assert first['loss'] == pytest.approx(one.loss, rel=1e-5)
    assert first['avg_dist'] == second['avg_dist'] == pytest.approx(average_distance(mask, 4))
    same = rebuilt(models['vit'], batch['inputs'], on_tokens(mask, 4))  # 16 px, like the masked patches
    assert second['loss'] == pytest.approx(same.loss, rel=1e-5)


def rebuilt(place, inputs, mask):
    """The reconstruction of a model that is built by hand."""
    from mmengine.structures import BaseDataElement
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(place[0])
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    model.load_state_dict(torch.load(place[1]))
    sample = BaseDataElement(mask=torch.from_numpy(mask))
    one, = reconstruct(model, dict(inputs=inputs, data_samples=[sample]))
    return one


def test_all_strategies_sizes_and_ratios_and_means(run, tmp_path):
    folder = tmp_path / 'images'
    for i in range(3):
        write_picture(folder / f'{i}.png', 64, 64, seed=i)
    error, lines, stderr = run(
        folder, ['swin', 'bins'], '--strategies', *MASK_STRATEGIES, '--mask-patch-sizes', 8, 16, '--mask-ratios', 0.25,
        0.5, '--num', 2, '--size', 64, 64, '--out', 's.png', '--json', 's.json')
    assert error is None
    count = 4 * 2 * 2
    assert len(lines) == 2 + 3 * count + 5  # an empty line and the legend below
    assert [line.split('|')[1].strip() for line in lines[2:2 + 3 * count:count]] == ['0.png', '2.png', 'mean of 2']
    assert read('s.png').shape[:2] == (2 * count * (192 + 2 * (GAP + LINE)), GAP + 4 * (192 + GAP))

    found = json.loads(Path('s.json').read_text())
    assert len(found['images']) == 2 * 2 * count and len(found['means']) == 2 * count
    for mean in found['means']:
        of_mean = [one for one in found['images'] if all(one[key] == mean[key] for key in (
            'strategy', 'mask_patch_size', 'mask_ratio', 'model'))]
        assert mean['images'] == len(of_mean) == 2
        assert mean['share'] == mean['mask_ratio']
        for key in ('loss', 'difference', 'avg_dist'):
            assert mean[key] == pytest.approx(sum(one[key] for one in of_mean) / 2)

    hidden = {(one['strategy'], one['mask_patch_size'], one['mask_ratio']): row[1] for one, row in zip(
        found['images'][:2 * count:2], tiles(read('s.png'), 2 * count, 2, 192, 192))}
    assert len({tile.tobytes() for tile in hidden.values()}) >= count - 4  # squares may meet in the middle
    corner = (hidden['central-square', 16, 0.25] == 128).all(2)
    np.testing.assert_array_equal(corner, np.pad(np.ones((96, 96), bool), 48))


def test_a_picture_for_each_image(run, tmp_path):
    for name in ('b.png', 'a/x.png', 'a/x.jpg'):
        write_picture(tmp_path / 'images' / name, 64, 64)
    error, lines, stderr = run('images', ['swin', 'vit'], '--out-dir', 'out')
    assert error is None
    written = ['out/a/x.jpg_comparison.png', 'out/a/x.png_comparison.png', 'out/b_comparison.png']
    assert stderr.splitlines()[-3:] == written
    assert [line.split('|')[1].strip() for line in lines[2:6]] == ['a/x.jpg', 'a/x.png', 'b.png', 'mean of 3']
    assert all(read(path).shape == (192 + 2 * (GAP + LINE), GAP + 4 * (192 + GAP), 3) for path in written)


def test_visible_pixels_put_back(run, tmp_path):
    path = write_picture(tmp_path / 'a.png', 64, 64)
    run(path, ['swin'], '--out', 'bare.png')
    run(path, ['swin'], '--out', 'pasted.png', '--paste-visible')
    (original, hidden, bare), (_, _, pasted) = (tiles(read(f'{name}.png'), 1, 3, 192, 192)[0]
                                                for name in ('bare', 'pasted'))
    masked = (hidden == 128).all(2)
    np.testing.assert_array_equal(pasted[masked], bare[masked])
    np.testing.assert_array_equal(pasted[~masked], original[~masked])


def test_one_channel_in_grey_and_options_of_all_configs(run, tmp_path):
    path = write_picture(tmp_path / 'a.png', 64, 64)
    error, *_ = run(path, ['swin', 'other'], '--channels', 1, '--out', 's.png', '--json', 's.json', '--cfg-options',
                    'train_dataloader.dataset.pipeline.2.mask_ratio=0.25')
    assert error is None
    assert [one['share'] for one in json.loads(Path('s.json').read_text())['images']] == [0.25, 0.25]
    original, _, *pictures = tiles(read('s.png'), 1, 4, 192, 192)[0]
    green = read(path)[..., 1].repeat(3, 0).repeat(3, 1)
    for channel in range(3):
        np.testing.assert_array_equal(original[..., channel], green)
        assert all((picture[..., channel] == picture[..., 0]).all() for picture in pictures)


def test_sides_are_multiples_of_what_all_need(run, tmp_path):
    path = write_picture(tmp_path / 'a.png', 70, 90)
    error, *_ = run(path, ['vit', 'swin'], '--mask-patch-sizes', 16, 48, '--json', 's.json')
    assert error is None
    assert [one['size'] for one in json.loads(Path('s.json').read_text())['images']] == [[96, 96]] * 4
    error, *_ = run(path, ['vit', 'swin'], '--size', 64, 80)
    assert 'size 64 x 80 (height x width) must be a multiple of 32' in error
    error, *_ = run(path, ['vit'], '--size', 64, 80)  # alone it needs its tokens only
    assert error is None


def test_names_by_default(run, models, tmp_path):
    path = write_picture(tmp_path / 'a.png', 64, 64)
    _, lines, _ = run(path, ['swin', 'vit', 'swin'])
    folder = Path(models['swin'][1]).parent.name
    assert re.findall(r'\| ([^|]*): loss', lines[0]) == [f'1: {folder}/swin', f'{folder}/vit', f'3: {folder}/swin']


def test_normalised_targets_are_marked(run, models, tmp_path):
    cfg = Config.fromfile(models['swin'][0])
    cfg.model.target_generator = dict(type='mmsimmim.PatchNormalizedPixelTarget', patch_size=64)
    cfg.dump(tmp_path / 'normalised.py')
    path = write_picture(tmp_path / 'a.png', 64, 96)
    error, lines, _ = run(path, [('normalised.py', models['swin'][1]), 'swin'], '--names', 'A', 'B', '--json', 's.json')
    assert error is None
    assert '| A *: loss | A *: diff. | B: loss | B: diff. |' in lines[0]
    assert any(line.startswith('*: a normalised target') for line in lines)
    found = json.loads(Path('s.json').read_text())
    assert [one['borrows_tone'] for one in found['models']] == [True, False]
    assert found['images'][0]['size'] == [64, 128]  # in whole patches of the target


def test_other_ways_of_reading_are_told(run, models, tmp_path):
    cfg = Config.fromfile(models['other'][0])
    path = write_picture(tmp_path / 'a.png', 64, 64)
    assert not run(path, ['swin', 'other'])[2].startswith('other')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline[0] = dict(type='LoadImageFromFile', color_type='grayscale')
    cfg.dump(tmp_path / 'grey.py')
    error, _, stderr = run(path, ['swin', ('grey.py', models['other'][1])], '--names', 'A', 'B')
    assert error is None
    assert 'grey.py reads images in another way than' in stderr and 'what B sees differs from its training' in stderr


@pytest.mark.parametrize('change, message', [
    (dict(options=['--names', 'A']), '--names must name each model: got 1 for 2 models'),
    (dict(options=['--names', 'A', 'A']), '--names must differ'),
    (dict(second='broken'), r'checkpoint half.pth does not fit .* 2 weights missing \(neck.decoder.0.weight, neck'),
    (dict(second='absent'), 'checkpoint nowhere.pth does not exist'),
    (dict(second='four'), 'swin takes 3 channels, .*four takes 4'),
    (dict(second='vit', options=['--mask-patch-sizes', '8', '16']),
     'Masked patches of 8 px cannot be shown to .*vit, whose tokens have 16 px'),
    (dict(second='bgr', options=['--channels', '0']), 'see the channels in opposite order'),
    (dict(options=['--channels', '0', '7', '1']), '--channels takes one or three numbers from 0 to 2'),
    (dict(options=['--mask-ratios', '0.5', '2']), 'mask_ratio must lie in'),
    (dict(options=['--mask-patch-sizes', '0']), 'sizes must be positive'),
    (dict(options=['--out', 'good.png']), 'would overwrite an image'),
    (dict(options=['--seed', '-1']), '--seed must lie between 0 and'),
    (dict(options=['--json', 's.txt']), 'must end in .json'),
    (dict(images='bad.png'), 'Cannot read the image bad.png'),
])
def test_readable_errors_and_nothing_written(run, models, tmp_path, change, message):
    second = prepare(change.get('second', 'other'), models)
    write_picture(tmp_path / 'good.png', 64, 64)
    (tmp_path / 'bad.png').write_bytes(b'no image')
    before = sorted(os.listdir())
    error, lines, _ = run(change.get('images', 'good.png'), ['swin', second], *change.get('options', []))
    assert not lines and sorted(os.listdir()) == before
    assert error is not None and error.startswith('error: ')
    assert re.search(message, error, re.DOTALL), error


def prepare(name, models):
    """(config, checkpoint) of a second model with a mistake, in the working folder."""
    config, checkpoint = models.get(name, models['swin'])
    weights = torch.load(checkpoint)
    if name == 'broken':
        torch.save({key: value for key, value in weights.items() if 'neck' not in key}, 'half.pth')
        checkpoint = 'half.pth'
    elif name == 'absent':
        checkpoint = 'nowhere.pth'
    elif name in ('four', 'bgr'):
        cfg = tiny_config('', in_channels=4 if name == 'four' else 3)
        cfg.data_preprocessor.update(mean=[100.0], std=[50.0], bgr_to_rgb=False)
        cfg.dump(f'{name}.py')
        torch.save(MODELS.build(dict(cfg.model)).state_dict(), f'{name}.pth')
        config, checkpoint = f'{name}.py', f'{name}.pth'
    return config, checkpoint
