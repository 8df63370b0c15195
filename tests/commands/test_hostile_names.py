"""Every command that reads names from disks and files, on hostile ones: what it prints, logs and writes is text."""

import json
import os
import runpy
import sys
import zipfile

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmsimmim.commands import (
    check_dataset,
    compare_reconstructions,
    convert_checkpoint,
    fit_palette,
    get_flops,
    inspect_checkpoint,
    mask_gallery,
    pack_images,
    plot_curves,
    prepare_dataset,
    probe_features,
    scaling,
    training_memory,
    visualize_reconstruction,
)
from mmsimmim.commands.common.escaped_output import escaped_output
from mmsimmim.registry import MODELS
from tests.commands.conftest import CONFIG, REPO
from tests.datasets.checks.synthetic import CocoFolder, PairFolder
from tests.visualization.tiny import tiny_config, write_picture

# A cleared screen, a line of its own, letters in the other direction, a byte that is not UTF-8.
HOSTILE = 'a\x1b[2J\x1b[31m\nFORGED\r\u202e\x9b|' + os.fsdecode(b'\xff')
TEXT = HOSTILE.encode('utf-8', 'replace').decode()  # where a file holds text

LINE = TEXT.replace('\n', '')


def require_text(text, where):
    faults = [char for char in text if not (char.isprintable() or char in '\n\t')]
    assert not faults, f'{where}: {faults[:3]} in {text!r}'
    assert not any(line.lstrip().startswith('FORGED') for line in text.split('\n')), f'{where}: {text!r}'
    text.encode('utf-8')


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """A function that runs a command and makes sure that what it prints is text; returns that."""
    monkeypatch.chdir(tmp_path)

    def run(command, *arguments):
        capsys.readouterr()
        try:
            command([str(argument) for argument in arguments])
            end = ''
        except SystemExit as stop:
            end = str(stop.code or '')
        printed = capsys.readouterr()
        out = printed.out
        for colour in ('\x1b[37m', '\x1b[33m', '\x1b[31m', '\x1b[4m', '\x1b[5m', '\x1b[0m'):
            out = out.replace(f'{colour}', '') if command is tool else out  # MMEngine's, before its levels
        require_text(out, 'stdout')
        require_text(printed.err, 'stderr')
        require_text(end, 'the last sentence')
        return out + printed.err + end

    def tool(arguments):
        monkeypatch.setattr(sys, 'argv', arguments)
        runpy.run_path(str(REPO / 'tools' / arguments[0]), run_name='__main__')

    run.tool = lambda *arguments: run(tool, *arguments)
    yield run
    DefaultScope._instance_dict.clear()


@pytest.fixture
def pictures(tmp_path):
    """A folder of images with such names, in such a folder, one of which cannot be read."""
    folder = tmp_path / 'images'
    for seed in range(12):
        write_picture(folder / f'{seed}.png', seed=seed)
        (folder / HOSTILE).mkdir(exist_ok=True)
        os.rename(folder / f'{seed}.png', folder / HOSTILE / f'{seed}{HOSTILE}.png')
    (folder / f'broken{HOSTILE}.png').write_text(f'no image {TEXT}')
    return folder


@pytest.fixture
def model(tmp_path, pictures):
    """(config, checkpoint)"""
    cfg = tiny_config(pictures)
    cfg.dump(tmp_path / 'config.py')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), tmp_path / 'model.pth')
    return tmp_path / 'config.py', tmp_path / 'model.pth'


def test_tools_of_pictures(run, pictures, model, tmp_path):
    assert 'FORGED' in run(visualize_reconstruction.main, pictures, *model, '--device', 'cpu', '--num', 13)
    assert 'FORGED' in run(compare_reconstructions.main, pictures, '--model', *model, '--device', 'cpu', '--num', 13,
                           '--json', 'out.json')
    require_text((tmp_path / 'out.json').read_text(), 'JSON')
    assert 'FORGED' in run(fit_palette.main, pictures, '--out', 'palette.npy', '--colours', 4, '--pixels', 1000)
    assert 'FORGED' in run(mask_gallery.main, pictures / f'broken{HOSTILE}.png', '--out', 'masks.png')
    picture = next((pictures / HOSTILE).iterdir())
    run(mask_gallery.main, picture, '--out', 'masks.png', '--input-size', 64)


def test_packing(run, pictures):
    pytest.importorskip('lmdb')
    assert 'FORGED' in run(pack_images.main, pictures, 'out.lmdb', '--workers', 1)
    run(pack_images.main, '--check', 'out.lmdb')


def test_folders_that_are_classes(run, pictures, model):
    for side in ('train', 'val'):
        for number in range(2):
            (pictures / side).mkdir(exist_ok=True)
            folder = pictures / side / f'{number}{side * number}{HOSTILE}'
            write_picture(pictures / 'new.png', seed=number)
            folder.mkdir()
            os.rename(pictures / 'new.png', folder / f'{HOSTILE}.png')
    printed = run(probe_features.main, *model, pictures, '--num-workers', 0, '--device', 'cpu', '--k', 1)
    assert 'same classes' in printed and 'FORGED' in printed
    os.rename(pictures / 'val' / f'1val{HOSTILE}', pictures / 'val' / f'1train{HOSTILE}')
    assert 'nearest' in run(probe_features.main, *model, pictures, '--num-workers', 0, '--device', 'cpu', '--k', 1)


def test_files_with_weights(run, model, tmp_path):
    weights = torch.load(model[1])['state_dict']
    meta = {key: TEXT for key in ('mmengine_version', 'time', 'cfg', 'experiment_name', 'seed', TEXT)}
    meta['dataset_meta'] = dict(classes=[TEXT])
    torch.save(dict(state_dict={**weights, TEXT: torch.zeros(2), f'backbone.{TEXT}': torch.zeros(2)}, meta=meta,
                    message_hub={TEXT: TEXT}, config=TEXT, args={TEXT: TEXT}), tmp_path / 'x.pth')
    assert 'FORGED' in run(inspect_checkpoint.main, tmp_path / 'x.pth')
    assert 'FORGED' in run(convert_checkpoint.main, tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', 'official')
    for name in (LINE, f'{LINE}.pth'):  # the user's own argument: its newlines are theirs
        (tmp_path / f'z{name}').write_bytes((tmp_path / 'x.pth').read_bytes()[:1000])
        run(inspect_checkpoint.main, tmp_path / f'z{name}')
    torch.save({TEXT: torch.zeros(2)}, tmp_path / 'none.pth')
    run(convert_checkpoint.main, tmp_path / 'none.pth', tmp_path / 'n.pth', '--to', 'official')


def test_logs(run, tmp_path):
    for name in ('one', 'two'):
        folder = tmp_path / f'{name}{HOSTILE}' / '20200101_000000' / 'vis_data'
        folder.mkdir(parents=True)
        rows = [{'loss': 1 / step, TEXT: step, 'iter': step, 'step': step, 'epoch': 1} for step in (1, 2, 3)]
        (folder / 'scalars.json').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    logs = [tmp_path / f'{name}{HOSTILE}' for name in ('one', 'two')]
    run(plot_curves.main, *logs, '--out', 'out.png', '--csv', 'out.csv', '--keys', 'loss', TEXT)
    require_text((tmp_path / 'out.csv').read_text(), 'CSV')
    assert 'FORGED' in run(plot_curves.main, *logs, '--keys', 'none', '--out', 'out.png')


def test_data_sets(run, tmp_path):
    pytest.importorskip('mmdet')
    folder = CocoFolder(tmp_path / 'coco' if (tmp_path / 'coco').mkdir() is None else None)
    content = folder.read('train')
    os.rename(folder.root / 'train' / content['images'][0]['file_name'], folder.root / 'train' / f'{TEXT}.png')
    content['images'][0]['file_name'] = f'{TEXT}.png'
    content['images'].append(dict(id=77, file_name=f'gone{TEXT}.png', width=40, height=30))
    content['images'].append(dict(id=TEXT, file_name=f'again{TEXT}.png', width='40', height=30))
    content['annotations'].append(dict(id=TEXT, image_id=TEXT, category_id=TEXT, bbox=TEXT))
    content['categories'] += [dict(id=70, name=TEXT), dict(id=71, name=TEXT), {TEXT: TEXT}]
    folder.write('train', content)
    (folder.root / 'train' / f'new{HOSTILE}.png').write_text('no image')
    cfg = folder.config()
    cfg.train_dataloader.dataset.dataset.metainfo.classes = ('cat', TEXT, f'b{TEXT}')
    cfg.dump(tmp_path / 'det.py')
    assert 'FORGED' in run(check_dataset.main, tmp_path / 'det.py', '--workers', 1, '--images')


def test_label_maps(run, tmp_path):
    pytest.importorskip('mmseg')
    (tmp_path / 'pairs').mkdir()
    pairs = PairFolder(tmp_path / 'pairs')
    for place, suffix in (('images', 'jpg'), ('labels', 'png')):
        (pairs.root / place / 'train' / f'x{HOSTILE}.{suffix}').write_text('no image')
        (pairs.root / place / 'train' / f'{place}{HOSTILE}.{suffix}').write_text('no image')
    pairs.config().dump(tmp_path / 'seg.py')
    assert 'FORGED' in run(check_dataset.main, tmp_path / 'seg.py', '--workers', 1)


def test_archives(run, tmp_path):
    with zipfile.ZipFile(tmp_path / 'ADEChallengeData2016.zip', 'w') as file:
        for name in ('images/training', 'annotations/training', 'images/validation', 'annotations/validation'):
            file.writestr(f'ADEChallengeData2016/{name}/{TEXT}.jpg', b'no image')
        file.writestr(f'../{TEXT}', b'outside')
    run(prepare_dataset.main, 'ade20k', tmp_path / 'ADEChallengeData2016.zip')


@pytest.mark.parametrize('command', [get_flops, scaling, training_memory])
def test_configs(run, tmp_path, command):
    """What only reads a config has names from there alone: of a class, a key, a file."""
    cfg = tiny_config(tmp_path)
    cfg.model.backbone.type = TEXT
    cfg.dump(tmp_path / 'bad.py')
    assert 'FORGED' in run(command.main, tmp_path / 'bad.py')
    (tmp_path / 'bad.py').write_text(f'raise ValueError({LINE!r})')
    assert 'FORGED' in run(command.main, tmp_path / 'bad.py')


def test_training_and_test(run, pictures, tmp_path, monkeypatch):
    """Files that cannot be read, of a training and a test, in the log file, too; and what a config holds."""
    roots = [f'{loader}_dataloader.dataset.data_root={pictures}' for loader in ('train', 'val', 'test')]
    cfg = Config.fromfile(CONFIG)
    cfg.note = TEXT
    cfg.dump(tmp_path / 'train.py')
    monkeypatch.syspath_prepend(str(REPO))
    options = ['--work-dir', tmp_path / 'work', '--cfg-options', *roots, 'train_dataloader.num_workers=0',
               'train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.drop_last=False',
               'default_hooks.logger.type=mmsimmim.LoggerHook', f'experiment_name={tmp_path.name}']
    assert 'Left out' in run.tool('train.py', tmp_path / 'train.py', *options)
    os.rename(pictures / HOSTILE, tmp_path / 'elsewhere')
    run.tool('test.py', tmp_path / 'train.py', tmp_path / 'work' / 'epoch_1.pth', *options)
    files = [path for path in (tmp_path / 'work').rglob('*') if path.suffix in ('.log', '.json', '.py')]
    assert len(files) > 4
    for path in files:
        require_text(path.read_text(), path.name)


def test_whatever_else_prints_and_logs(capsys):
    """Dependencies, whose sentences are not ours."""
    import logging
    logger = logging.Logger('theirs')
    with escaped_output():
        logger.addHandler(logging.StreamHandler(sys.stdout))
        print(HOSTILE)
        print('\r1 of 2', file=sys.stderr)
        logger.warning('%s', HOSTILE)
        sys.stdout.writelines([HOSTILE])
    printed = capsys.readouterr()
    assert printed.out.count(r'a\x1b[2J\x1b[31m') == 3 and '\x1b' not in printed.out
    assert r'FORGED\r\u202e\x9b|\xff' in printed.out and printed.err == '\r1 of 2\n'
