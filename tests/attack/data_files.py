"""Files that are no images: what reads each of them, and what is right for a damaged one."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config

from mmsimmim.checkpoints.resuming.finder import find_checkpoint
from mmsimmim.commands import check_dataset, pack_images, plot_curves, prepare_dataset, scaling
from mmsimmim.commands.checks.data_files import check_data_files
from mmsimmim.commands.common.folder_lock import NAME as LOCK
from mmsimmim.commands.common.folder_lock import locked
from mmsimmim.commands.config.index import Index, make_index
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.datasets import ImageFolder, ImageNetReaL, INaturalist, PackedImageFolder
from mmsimmim.datasets.packed.packing import pack
from mmsimmim.models.targets.colour_clusters import read_palette
from mmsimmim.visualization.scaling_runs import read_run
from tests.datasets.checks.synthetic import CocoFolder, PairFolder

from .damage import damage_bytes, damage_json, damage_json_lines, damage_text
from .image_files import encode, photograph

REPO = Path(__file__).parents[2]
PRETRAIN = 'simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'


class DataFile(NamedTuple):
    """A file to damage.

    Attributes:
        make (Callable): Writes it whole with what belongs to it, given a folder; its path.
        use (Callable): Reads it, given its path; asserts that what came out is right where that can be known.
        damage (Callable): Damages its bytes.
        named (bool): Whether a refusal has to name it.
    """

    make: Callable[[Path], Path]
    use: Callable[[Path], None]
    damage: Callable = damage_bytes
    named: bool = True


def import_all() -> None:
    """What attempts import, which in each of them would take longer than all else."""
    import matplotlib.pyplot  # noqa: F401
    import mmdet.datasets  # noqa: F401
    import mmpretrain.datasets.categories  # noqa: F401
    import mmseg.datasets  # noqa: F401


def images(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photograph(number, (40, 50)).save(folder / name)


# ---- packed images: PNG files, whose own checksums tell whether a record is as it was

PACKED = [f'{i}.png' for i in range(12)]


def make_packed(folder: Path) -> Path:
    images(folder / 'images', PACKED)
    pack(str(folder / 'images'), str(folder / 'packed.lmdb'))
    return folder / 'packed.lmdb'


def check_packed(path: Path) -> None:
    try:
        pack_images.main(['--check', str(path), '--workers', '2'])
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
    for name, content in _records(path).items():
        assert content == (path.parent / 'images' / name).read_bytes(), f'{name} passes for whole'


def _records(path: Path) -> dict[str, bytes]:
    from mmsimmim.datasets.packed.file import PackedFile
    packed = PackedFile(str(path))
    assert packed.paths() == sorted(PACKED), packed.paths()
    return {name: packed.read(name) for name in packed.paths()}


def train_on_packed(path: Path) -> None:
    cfg = Config(dict(train_dataloader=dict(num_workers=0, dataset=dict(
        type='mmsimmim.PackedImageFolder', data_root=str(path)))))
    check_data_files(cfg, ('train', ))
    dataset = PackedImageFolder(data_root=str(path), pipeline=[dict(type='mmsimmim.LoadImage')])
    whole = {name: np.asarray(photograph(number, (40, 50)))[..., ::-1] for number, name in enumerate(PACKED)}
    for i in range(len(dataset)):
        image = dataset[i]['img']
        assert any(np.array_equal(image, other) for other in whole.values()), f'image {i} is another one'


# ---- lists and labels


def make_list(folder: Path) -> Path:
    images(folder / 'images', ['a/one.png', 'a/two.png', 'b/three.png'])
    (folder / 'list.txt').write_text('a/one.png 3\na/two.png\nthree.png 7\n')
    return folder / 'list.txt'


def read_list(path: Path) -> None:
    dataset = ImageFolder(data_root=str(path.parent / 'images'), list_file=str(path))
    assert 1 <= len(dataset) <= 3


def make_real(folder: Path) -> Path:
    images(folder / 'val', ['ILSVRC2012_val_00000001.JPEG', 'ILSVRC2012_val_00000002.JPEG'])
    (folder / 'real.json').write_text(json.dumps([[i % 1000] for i in range(50_000)]))
    return folder / 'real.json'


def read_real(path: Path) -> None:
    dataset = ImageNetReaL(str(path.parent), num_images=None, pipeline=[])
    for i in range(len(dataset)):
        labels = dataset.get_data_info(i)['gt_label']
        assert labels and all(type(label) is int and 0 <= label < 1000 for label in labels), labels


def make_inaturalist(folder: Path) -> Path:
    names = ['train/1/a.jpg', 'train/1/b.jpg', 'train/2/c.jpg']
    images(folder, names)
    (folder / 'train.json').write_text(json.dumps(dict(
        images=[dict(id=i, file_name=name) for i, name in enumerate(names)],
        annotations=[dict(id=i, image_id=i, category_id=int(name.split('/')[1])) for i, name in enumerate(names)],
        categories=[dict(id=1, name='ant'), dict(id=2, name='bee')])))
    return folder / 'train.json'


def read_inaturalist(path: Path) -> None:
    dataset = INaturalist(data_root=str(path.parent), ann_file=path.name, pipeline=[])
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        assert 0 <= info['gt_label'] < len(dataset.metainfo['classes'])
        assert os.path.realpath(info['img_path']).startswith(os.path.realpath(path.parent)), info['img_path']


# ---- detection and segmentation


def make_coco(folder: Path) -> Path:
    CocoFolder(folder).config().dump(folder / 'config.py')
    return folder / 'train.json'


def make_objects365(folder: Path) -> Path:
    coco = CocoFolder(folder)
    cfg = coco.config()
    for loader in (cfg.train_dataloader.dataset, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.type = 'Objects365V2Dataset'
    cfg.dump(folder / 'config.py')
    return folder / 'train.json'


def make_label_map(folder: Path) -> Path:
    PairFolder(folder).config().dump(folder / 'config.py')
    return folder / 'labels' / 'train' / '2.png'


def check_config(path: Path) -> None:
    root = next(parent for parent in path.parents if (parent / 'config.py').exists())
    check_dataset.main([str(root / 'config.py'), '--images', '--workers', '1'])


def start_detector(path: Path) -> None:
    check_data_files(Config.fromfile(path.parent / 'config.py'), ('train', 'val'))


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


FILES = {
    'packed images, --check': DataFile(make_packed, check_packed),
    'packed images, training without workers': DataFile(make_packed, train_on_packed),
    'list of images': DataFile(make_list, read_list, damage_text),
    'ReaL labels': DataFile(make_real, read_real, damage_text),
    'iNaturalist': DataFile(make_inaturalist, read_inaturalist, damage_json),
    'COCO, check_dataset': DataFile(make_coco, check_config, damage_json, named=False),
    'COCO, start of a training': DataFile(make_coco, start_detector, damage_json),
    'Objects365, check_dataset': DataFile(make_objects365, check_config, damage_json, named=False),
    'label map, check_dataset': DataFile(make_label_map, check_config, named=False),
    'palette': DataFile(make_palette, use_palette),
    'training log': DataFile(make_log, plot_log, damage_json_lines, named=False),
    'training log, --against': DataFile(make_log, plot_against, damage_json_lines, named=False),
    'config of a run': DataFile(make_run_config, lambda path: read_run(str(path.parents[1])), damage_text),
    'step times': DataFile(make_step_times, read_step_times, damage_json),
    'zip archive': DataFile(make_archive, unpack, named=False),
    'last_checkpoint': DataFile(make_note, follow_note, damage_text),
    'lock file': DataFile(make_lock, take_lock, damage_text),
    'config, Python': DataFile(make_config('.py'), read_config, damage_text, named=False),
    'config, JSON': DataFile(make_config('.json'), read_config, damage_json, named=False),
    'config, YAML': DataFile(make_config('.yaml'), read_config, damage_text, named=False),
    'encoders.json': DataFile(make_encoders, find_encoder, damage_json, named=False),
}
