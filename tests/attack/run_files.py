"""Files of a run and of its tools: what reads each of them."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from mmsimmim.checkpoints.resuming.finder import find_checkpoint
from mmsimmim.commands import plot_curves, prepare_dataset, scaling
from mmsimmim.commands.common.folder_lock import NAME as LOCK
from mmsimmim.commands.common.folder_lock import locked
from mmsimmim.commands.config.index import Index, make_index
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.models.targets.colour_clusters import read_palette

from .image_files import encode, photograph

# ---- what tools read


def make_palette(folder: Path) -> Path:
    np.save(folder / 'palette.npy', np.linspace(0, 255, 30, dtype=np.float32).reshape(10, 3))
    return folder / 'palette.npy'


def use_palette(path: Path) -> None:
    palette = read_palette(str(path))
    assert palette.dtype == np.float32 and palette.shape[1] == 3 and ((palette >= 0) & (palette <= 255)).all()


def make_log(folder: Path) -> Path:
    rows = [dict(lr=1e-3, loss=1 / i, epoch=1 + i // 8, iter=i, step=i, **{'data/train_images': 100}) for i in
            range(1, 33)]
    rows.insert(8, {'probe/knn': 0.5, 'step': 1})
    (folder / 'vis_data').mkdir()
    (folder / 'vis_data' / 'scalars.json').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    (folder / 'vis_data' / 'config.py').write_text('model = dict(type="mmsimmim.SimMIM")\n')
    return folder / 'vis_data' / 'scalars.json'


def plot_log(path: Path) -> None:
    plot_curves.main([str(path.parents[1]), '--keys', 'loss', '--out', str(path.parents[1] / 'curves.svg')])


def plot_against(path: Path) -> None:
    plot_curves.main([str(path.parents[1]), '--keys', 'loss', '--against', 'images', '--out',
                      str(path.parents[1] / 'curves.svg')])


def make_run_config(folder: Path) -> Path:
    return make_log(folder).with_name('config.py')


def make_step_times(folder: Path) -> Path:
    row = dict(model='ours-compiled', arch='swin-base', batch_size=64, dtype='bfloat16', device='cuda',
               images_per_second=640., step_ms=100.)
    (folder / 'times.json').write_text(json.dumps(dict(rows=[row, dict(row, arch='swin-large')])))
    return folder / 'times.json'


def read_step_times(path: Path) -> None:
    for row in scaling.read_rows(str(path)):
        assert row['batch_size'] / row['step_ms'] > 0


def make_archive(folder: Path) -> Path:
    (folder / 'given').mkdir()
    with zipfile.ZipFile(folder / 'given' / 'ADEChallengeData2016.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        for part in ('images/training', 'images/validation', 'annotations/training', 'annotations/validation'):
            form = 'JPEG' if part.startswith('images') else 'PNG'
            content = encode(photograph(1, (40, 50)) if form == 'JPEG' else photograph(1, (40, 50)).convert('L'), form)
            for i in range(2):
                archive.writestr(f'ADEChallengeData2016/{part}/{i}.{"jpg" if form == "JPEG" else "png"}', content)
    return folder / 'given' / 'ADEChallengeData2016.zip'


def unpack(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        prepare_dataset.main(['ade20k', str(path), '--root', root])


# ---- of a run


def make_note(folder: Path) -> Path:
    torch.save(dict(state_dict={}), folder / 'epoch_1.pth')
    torch.save(dict(state_dict={}), folder / 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_2.pth'))
    return folder / 'last_checkpoint'


def follow_note(path: Path) -> None:
    found, _ = find_checkpoint([str(path.parent)])
    assert found in (str(path.parent / 'epoch_1.pth'), str(path.parent / 'epoch_2.pth')), found


def make_lock(folder: Path) -> Path:
    (folder / LOCK).write_text('process 1 on elsewhere since 2020-01-01 00:00:00')
    return folder / LOCK


def take_lock(path: Path) -> None:
    with locked([str(path.parent)]) as told:
        assert not told and path.read_text().startswith(f'process {os.getpid()} on ')


def make_config(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        cfg = Config(dict(model=dict(type='mmsimmim.SimMIM', backbone=dict(arch='tiny', img_size=96)), steps=[1, 2],
                          train_cfg=dict(max_epochs=3), work_dir='work_dirs/one'))
        cfg.dump(folder / f'config{suffix}')
        return folder / f'config{suffix}'
    return make


def read_config(path: Path) -> None:
    read_with_options(str(path), {'train_cfg.max_epochs': 4})


def make_encoders(folder: Path) -> Path:
    (folder / 'one.py').write_text('model = dict(backbone=dict(type="mmsimmim.SwinTransformer", arch="tiny"))\n')
    (folder / 'encoders.json').write_text(json.dumps(make_index(folder)))
    return folder / 'encoders.json'


def find_encoder(path: Path) -> None:
    index = Index(path.parent)
    found = index.encoder_of(path.parent / 'one.py')
    assert found is None or isinstance(found, dict), found
