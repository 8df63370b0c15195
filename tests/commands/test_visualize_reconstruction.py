"""The tool that draws reconstructions."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsimmim.commands import visualize_reconstruction as tool
from mmsimmim.registry import MODELS
from mmsimmim.visualization import PictureLoader, draw_sheet, reconstruct
from mmsimmim.visualization.panels import GAP, LINE
from tests.visualization.tiny import tiny_config, write_picture

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'visualize_reconstruction.py'



@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """(config, checkpoint) of an MMEngine run, optimizer and message hub included."""
    folder = tmp_path_factory.mktemp('run')
    for seed in range(4):
        write_picture(folder / 'images' / f'{seed}.png', seed=seed)
    cfg = tiny_config(folder / 'images')
    cfg.dump(folder / 'config.py')
    cfg.work_dir = str(folder / 'work')
    cfg.default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=3))
    Runner.from_cfg(cfg).train()
    checkpoint = folder / 'work' / 'epoch_3.pth'
    assert {'message_hub', 'optimizer'} <= set(torch.load(checkpoint, weights_only=False))
    return str(folder / 'config.py'), str(checkpoint)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """A function that runs the tool in this process and returns (error or None, printed lines, error stream)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        error = None
        try:
            tool.main([*map(str, arguments), '--device', 'cpu'])
        except SystemExit as stop:
            error = str(stop)
        printed = capsys.readouterr()
        return error, printed.out.splitlines(), printed.err

    return call


def read(path):
    return cv2.imread(str(path))[..., ::-1]


def expected(trained, path, index=0, **settings):
    """The sheet of an image, by way of the package, with the checkpoint's weights."""
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(trained[0])
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    model.load_state_dict(torch.load(trained[1], weights_only=False)['state_dict'])
    one, = reconstruct(model, PictureLoader(cfg, 32, **settings)(path, index))
    return one.loss, draw_sheet([one], model.data_preprocessor)


def test_one_image(run, trained, tmp_path):
    path = write_picture(tmp_path / 'odd.jpg', 71, 133)
    error, lines, _ = run(path, *trained)

    assert error is None
    loss, sheet = expected(trained, path)
    target = 'work_dirs/reconstructions/odd_reconstruction.png'
    assert lines == [f'{target}  masked loss {loss:.4f}']
    np.testing.assert_array_equal(read(target), sheet)
    assert sheet.shape == (2 * (LINE + GAP) + 192, GAP + 4 * (384 + GAP), 3)  # 64 x 128, enlarged threefold


def test_options_reach_the_picture(run, trained, tmp_path):
    path = write_picture(tmp_path / 'a.png')
    options = dict(size=(96, 64), mask_ratio=0.3, mask_patch_size=32, seed=5)
    error, lines, _ = run(path, *trained, '--size', 96, 64, '--mask-ratio', 0.3, '--mask-patch-size', 32, '--seed', 5,
                          '--out-dir', 'here')
    assert error is None
    loss, sheet = expected(trained, path, **options)
    assert lines == [f'here/a_reconstruction.png  masked loss {loss:.4f}']
    np.testing.assert_array_equal(read('here/a_reconstruction.png'), sheet)


def test_channels_and_options_of_the_config(run, trained, tmp_path):
    path = write_picture(tmp_path / 'a.png', 64, 64)
    run(path, *trained, '--out-dir', 'colour')
    error, *_ = run(path, *trained, '--out-dir', 'grey', '--channels', 0)
    assert error is None
    run(path, *trained, '--out-dir', 'mirror', '--cfg-options', 'data_preprocessor.bgr_to_rgb=False')

    tile = (slice(GAP + LINE, GAP + LINE + 192), slice(GAP, GAP + 192))
    colour, grey, mirror = (read(f'{name}/a_reconstruction.png')[tile] for name in ('colour', 'grey', 'mirror'))
    np.testing.assert_array_equal(grey, np.repeat(colour[..., :1], 3, axis=2))
    np.testing.assert_array_equal(mirror, colour)  # the model sees BGR, the picture is RGB all the same


def test_folder_with_folders_in_it(run, trained, tmp_path):
    folder = tmp_path / 'images'
    for name in ('b.png', 'a/x.png', 'a/x.jpg'):
        write_picture(folder / name)
    (folder / 'notes.txt').write_text('no image')

    error, lines, _ = run(folder, *trained, '--out-dir', 'out')

    assert error is None
    assert [line.split()[0] for line in lines] == [
        'out/a/x.jpg_reconstruction.png', 'out/a/x.png_reconstruction.png', 'out/b_reconstruction.png']
    np.testing.assert_array_equal(read('out/b_reconstruction.png'), expected(trained, folder / 'b.png', index=2)[1])


def test_folder_on_one_sheet_evenly_spread(run, trained, tmp_path):
    folder = tmp_path / 'images'
    for i in range(5):
        write_picture(folder / f'{i}.png', 64, 64 + 64 * (i == 4), seed=i)
    error, lines, _ = run(folder, *trained, '--num', 3, '--out', 'deep/sheet.png')
    assert error is None
    assert [line.split()[0] for line in lines] == [*(str(folder / f'{i}.png') for i in (0, 2, 4)), 'deep/sheet.png']
    assert read('deep/sheet.png').shape == (3 * (2 * (LINE + GAP) + 192), GAP + 4 * (384 + GAP), 3)


def test_unreadable_images_of_a_folder_are_named_and_left_out(run, trained, tmp_path):
    write_picture(tmp_path / 'images' / 'good.png')
    (tmp_path / 'images' / 'bad.png').write_bytes(b'no image')
    error, lines, stderr = run(tmp_path / 'images', *trained)
    assert error is None and len(lines) == 1
    assert 'left out: Cannot read the image' in stderr and 'bad.png: not an image' in stderr

    (tmp_path / 'images' / 'good.png').write_bytes(b'no image either')
    error, lines, _ = run(tmp_path / 'images', *trained)
    assert error == 'error: None of the images can be read.' and not lines


@pytest.mark.parametrize('change, message', [
    (dict(images='nowhere'), 'no image or folder nowhere'),
    (dict(images='empty'), 'No images in empty'),
    (dict(images='bad.png'), 'Cannot read the image bad.png: not an image'),
    (dict(config='nowhere.py'), 'config nowhere.py does not exist'),
    (dict(config='broken.py'), 'config broken.py cannot be read'),
    (dict(config='classifier.py'), "is 'mmpretrain.ImageClassifier'; reconstructions can be drawn of mmsimmim.SimMIM"),
    (dict(config='theirs.py'), 'this model is a mmpretrain.models.selfsup.simmim.SimMIM'),
    (dict(checkpoint='nowhere.pth'), 'checkpoint nowhere.pth does not exist'),
    (dict(checkpoint='bad.png'), 'checkpoint bad.png cannot be loaded'),
    (dict(checkpoint='half.pth'), r'does not fit .* nothing was drawn: 2 weights missing \(neck.decoder.0.weight, '
                                  r'neck.decoder.0.bias\); 0 weights not in the model'),
    (dict(checkpoint='more.pth'), r'0 weights missing; 1 weights not in the model \(head.extra\)'),
    (dict(checkpoint='wide.pth'), 'cannot be loaded: .*size mismatch for neck.decoder.0.bias'),
    (dict(options=['--num', '0']), '--num must be at least 1'),
    (dict(options=['--seed', '-1']), '--seed must lie between 0 and'),
    (dict(options=['--size', '60', '64']), 'must be a multiple of 32'),
    (dict(options=['--mask-ratio', '2']), 'mask_ratio must lie in'),
    (dict(options=['--channels', '0', '7', '1']), '--channels takes one or three numbers from 0 to 2'),
    (dict(options=['--out', 'good.png']), 'would overwrite an image'),
    (dict(options=['--out', 'good.txt']), 'must end in .png'),
    (dict(options=['--cfg-options', 'model.backbone.arch=huge']), "cannot be built: .*arch 'huge'"),
])
def test_readable_errors(run, trained, tmp_path, change, message):
    prepare_mistakes(tmp_path, *trained)
    config, checkpoint = change.get('config', trained[0]), change.get('checkpoint', trained[1])
    error, lines, _ = run(change.get('images', 'good.png'), config, checkpoint, *change.get('options', []))
    assert not lines and not os.path.exists('work_dirs')
    assert error is not None and error.startswith('error: ')
    assert re.search(message, error, re.DOTALL), error


def prepare_mistakes(folder, config, checkpoint):
    write_picture(folder / 'good.png')
    (folder / 'bad.png').write_bytes(b'no image')
    (folder / 'empty').mkdir()
    (folder / 'broken.py').write_text('model = dict(')
    cfg = Config.fromfile(config)
    Config(dict(cfg, model=dict(type='mmpretrain.ImageClassifier', backbone=dict(type='ResNet', depth=18)))).dump(
        folder / 'classifier.py')
    loss = dict(type='PixelReconstructionLoss', criterion='L1')
    Config(dict(cfg, model=dict(
        type='SimMIM', backbone=dict(type='SimMIMSwinTransformer', arch='T', img_size=192, stage_cfgs=dict()),
        neck=dict(type='SimMIMLinearDecoder', in_channels=768, encoder_stride=32),
        head=dict(type='SimMIMHead', patch_size=4, loss=loss)))).dump(folder / 'theirs.py')
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    bias = weights['neck.decoder.0.bias']
    torch.save({name: value for name, value in weights.items() if 'neck' not in name}, folder / 'half.pth')
    torch.save(dict(state_dict={**weights, 'head.extra': bias}), folder / 'more.pth')
    torch.save(dict(state_dict={**weights, 'neck.decoder.0.bias': bias[1:]}), folder / 'wide.pth')


@pytest.mark.slow
def test_a_mistake_ends_the_program_with_1_and_a_sentence():
    failed = subprocess.run([sys.executable, TOOL, 'nowhere', 'config.py', 'x.pth'], text=True, capture_output=True)
    assert failed.returncode == 1 and not failed.stdout
    assert 'error: There is no image or folder nowhere' in failed.stderr and 'Traceback' not in failed.stderr


@pytest.mark.parametrize('config', sorted((TOOL.parents[2] / 'configs' / 'pretrain').glob('*swin-tiny*.py')),
                         ids=lambda x: x.stem)
def test_shipped_configs(run, tmp_path, config):
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(config)
    torch.save(MODELS.build(dict(cfg.model)).state_dict(), tmp_path / 'random.pth')
    error, lines, _ = run(write_picture(tmp_path / 'a.png', 200, 330), config, tmp_path / 'random.pth')
    assert error is None
    assert read(lines[0].split('  ')[0]).shape == (2 * (LINE + GAP) + 192, GAP + 4 * (320 + GAP), 3)
