"""Bring COCO or ADE20K into the folders that the configs expect, then check them.

Give the archives as they were downloaded, or folders that hold their content; docs/datasets.md says which. Archives are
unpacked to a temporary folder and moved into place when complete, folders are linked, existing parts are kept.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.utils import get_installed_path

from ..errors import UserError
from .common.mistakes import report_mistakes
from .common.published_data import DATASETS, PublishedDataset, find_source, is_in_place, place

if TYPE_CHECKING:
    from ..datasets.checks import Report

EXAMPLES = """examples:
  python -m mmsimmim prepare_dataset coco train2017.zip val2017.zip annotations_trainval2017.zip
  python -m mmsimmim prepare_dataset ade20k /data/ADEChallengeData2016
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', choices=DATASETS, help='the dataset')
    parser.add_argument('sources', nargs='*', type=Path, metavar='SOURCE', help='archives (.zip) or folders')
    parser.add_argument('--root', type=Path, default=Path('data'), help='root of all data (default: %(default)s)')
    parser.add_argument('--copy', action='store_true', help='copy folders (default: link to them)')
    parser.add_argument('--sample', type=int, metavar='N',
                        help='let the check look into N images and label maps only (default: all)')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    dataset = DATASETS[args.name]
    for source in args.sources:
        if not source.exists():
            raise UserError(f'{source} does not exist (working folder: {os.getcwd()}).')
    todo = {part: find_source(part, args.sources) for part in dataset.parts if not is_in_place(part, args.root)}
    missing = [part for part, source in todo.items() if source is None]
    if missing:
        raise UserError('Nothing was done: ' + '; '.join(
            f'{part.name} is neither in {args.root / part.place} nor in what was given. Give {part.archive} or the '
            f'folder {part.name}' for part in missing) + '. docs/datasets.md says where they come from.')
    for part, source in todo.items():
        place(part, source, args.root / part.place, args.copy)
    report = check(dataset, args.root, args.sample)
    if report.count('error'):
        sys.exit(1)


# ---- the check


def check(dataset: PublishedDataset, root: Path, sample: int | None) -> Report:
    """Check what is in place with the framework's own config, and print the report.

    Args:
        dataset (PublishedDataset): The dataset.
        root (Path): Root of all data.
        sample (int, optional): How many images and label maps to look into.

    Returns:
        Report: What was found.
    """
    from ..datasets.checks import Reading, check_config

    MMLogger.get_current_instance().setLevel('WARNING')
    cfg = read_config(dataset, str(root / dataset.root) + '/')
    report = check_config(cfg, Reading(os.cpu_count() or 1, sample))
    print(report)
    return report


def read_config(dataset: PublishedDataset, data_root: str) -> Config:
    """Read the framework's own config of the data.

    Args:
        dataset (PublishedDataset): The dataset.
        data_root (str): Where it lies, with a slash at the end.

    Returns:
        Config: With data loaders and evaluators.
    """
    cfg = Config.fromfile(Path(get_installed_path(dataset.scope)) / '.mim' / 'configs' / dataset.config)
    before = cfg.data_root
    for name in ('train', 'val', 'test'):
        cfg[f'{name}_dataloader'].dataset.data_root = data_root
        evaluator = cfg.get(f'{name}_evaluator') or {}
        if evaluator.get('ann_file', '').startswith(before):
            evaluator.ann_file = data_root + evaluator.ann_file[len(before):]
    cfg.default_scope = dataset.scope
    return cfg

