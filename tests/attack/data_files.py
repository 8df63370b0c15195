"""Files that are no images: what reads each of them, and what is right for a damaged one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config

from mmsimmim.commands import check_dataset, pack_images
from mmsimmim.commands.checks.data_files import check_data_files
from mmsimmim.datasets import ImageFolder, ImageNetReaL, INaturalist, PackedImageFolder
from mmsimmim.datasets.packed.packing import pack
from mmsimmim.visualization.scaling_runs import read_run
from tests.datasets.checks.synthetic import CocoFolder, PairFolder

from .damage import damage_bytes, damage_json, damage_json_lines, damage_text
from .image_files import photograph
from .run_files import (
    find_encoder,
    follow_note,
    make_archive,
    make_config,
    make_encoders,
    make_lock,
    make_log,
    make_note,
    make_palette,
    make_run_config,
    make_step_times,
    plot_against,
    plot_log,
    read_config,
    read_step_times,
    take_lock,
    unpack,
    use_palette,
)

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
