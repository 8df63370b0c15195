"""The datasets of a config before anything is built: their files are there, and have the classes of the config."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config

from ...datasets.checks.categories import compare_categories, read_categories
from ...datasets.checks.coco import check_coco
from ...datasets.checks.config import check_of, read_parts
from ...datasets.checks.objects365 import check_objects365
from ...datasets.checks.part import Part, classes_of, unwrap
from ...datasets.checks.report import Report, Section
from ...datasets.packed.apart import require_readable
from ...errors import UserError, why_missing

PACKED = ('mmsimmim.PackedImageFolder', 'PackedImageFolder')


def check_data_files(cfg: Config, names: Sequence[str]) -> None:
    """Stop where datasets of MMDetection or MMSegmentation lack a file or a class, which they tell late or not at all.

    MMDetection reads no annotation of a class that is not in the file, and a set without any ends in an error about
    arrays. Packed image folders have to be whole. Datasets of other kinds, and those that are not on a local disk, are
    left alone.

    Args:
        cfg (Config): The config.
        names (Sequence[str]): Which data loaders will be used: 'train', 'val', 'test'.

    Raises:
        UserError: A file or folder is missing, an annotation file lacks a class, or a packed file is cut off or not
            finished; the message has the key.
    """
    _require_whole(cfg, names)
    if cfg.get('default_scope') not in ('mmdet', 'mmseg'):
        return
    for part in read_parts(cfg, Report()):
        check = check_of(part.dataset)
        if check is None or not set(names) & set(part.names):
            continue
        for key, path, exists in _files_of(part):
            if path and not exists(path):
                raise UserError(f'{key}: {path} {why_missing(path)}. Give the dataset in data_root, or this '
                                'key; tools/dataset_converters/check_dataset.py looks at all of it.')
        if check in (check_coco, check_objects365):
            _require_categories(part)


def _require_whole(cfg: Config, names: Sequence[str]) -> None:
    """Whether packed image folders can be opened, and were packed to the end."""
    for name in names:
        for dataset, _ in unwrap((cfg.get(f'{name}_dataloader') or {}).get('dataset') or {}):
            if dataset.get('type') in PACKED and dataset.get('data_root'):
                try:
                    require_readable(dataset.data_root)
                except UserError as error:
                    raise UserError(f'{name}_dataloader.dataset.data_root: {error}') from error


@contextmanager
def naming_packed_files(cfg: Config) -> Iterator[None]:
    """Name the files of packed images where a data loading worker is ended by a signal, which knows no file."""
    try:
        yield
    except RuntimeError as error:
        files = sorted({dataset.data_root for name in ('train', 'val')
                        for dataset, _ in unwrap((cfg.get(f'{name}_dataloader') or {}).get('dataset') or {})
                        if dataset.get('type') in PACKED and dataset.get('data_root')})
        # PyTorch tells the signal in this error, or in its cause.
        if not files or not re.search('worker .*killed by signal: (Bus error|Segm)', f'{error} {error.__cause__}'):
            raise
        raise UserError(f'A data loading worker was ended by a signal while it read {", ".join(files)}. The file is '
                        'damaged (tools/dataset_converters/pack_images.py --check FILE tells), or the shared memory '
                        f'of this machine (/dev/shm) is full. {error}') from error


def _files_of(part: Part) -> Iterator[tuple]:
    """Key, path, and the function that tells whether it is there."""
    loader = f'{part.names[0]}_dataloader.dataset'
    yield f'{loader}.ann_file', part.dataset.ann_file, os.path.isfile
    for name, path in part.dataset.data_prefix.items():
        if not (part.unlabelled and name == 'seg_map_path'):
            yield f'{loader}.data_prefix.{name}', path, os.path.isdir
    for metric in part.metrics:
        if '://' not in str(metric.get('ann_file')):
            yield f'{part.names[-1]}_evaluator.ann_file', metric.get('ann_file'), os.path.isfile


def _require_categories(part: Part) -> None:
    classes = classes_of(part.dataset)
    categories = read_categories(part.dataset.ann_file)
    if {*classes} - {category['name'] for category in categories}:
        section = Section(part.title)
        compare_categories(section, classes, categories, part.dataset)
        raise UserError(f'The {part.title} data: ' + ' '.join(text for _, text in section.findings))
