"""Checks of the datasets of a config, each by itself, then against the model and the others."""

import os
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from ...registry import DATASETS
from .coco import check_coco
from .files import Reading, find_same
from .heads import describe_heads, find_heads
from .label_maps import check_label_maps
from .objects365 import check_objects365
from .part import Contents, Part, list_metrics, unwrap
from .report import Report, Section, some
from .steps import check_evaluation, check_steps

# The checks, by the method with which their kind of dataset reads its data.
CHECKS = {
    'mmdet.datasets.coco.CocoDataset.load_data_list': check_coco,
    'mmdet.datasets.objects365.Objects365V2Dataset.load_data_list': check_objects365,
    'mmseg.datasets.basesegdataset.BaseSegDataset.load_data_list': check_label_maps,
}


def check_config(cfg: Config, reading: Reading | None = None) -> Report:
    """Check the datasets of a config of MMDetection or MMSegmentation.

    Args:
        cfg (Config): With ``train_dataloader``, ``val_dataloader`` or ``test_dataloader``; with ``model``, if heads
            are to be compared.
        reading (Reading, optional): How files are read. Defaults to None: all, by their headers.

    Returns:
        Report: What was found.

    Raises:
        UserError: There is no dataset that can be checked.
    """
    if cfg.get('default_scope') is None:
        raise UserError(f'{cfg.filename or "The config"} sets no default_scope, such as mmdet or mmseg: give a whole '
                        'config, with its runtime.')
    reading, report = reading or Reading(), Report()
    parts = read_parts(cfg, report)
    known = [part for part in parts if not _why_not(part.dataset)]
    if not known and not report.count('error'):
        kinds = sorted({_why_not(part.dataset) for part in parts}) or ['there is none']
        raise UserError('Datasets in the format of COCO (CocoDataset of mmdet and what derives from it) and pairs of '
                        'images and label maps (BaseSegDataset of mmseg and what derives from it) on local disks can '
                        f'be checked. {cfg.filename or "The config"}: {"; ".join(kinds)}.')
    for part in parts:
        if part not in known:
            report.section(part.title).warning(f'not checked: {_why_not(part.dataset)}')
    heads = find_heads(cfg.get('model') or {})
    checked = []
    for part in known:
        section = report.section(part.title)
        contents = check_of(part.dataset)(part, section, reading)
        _check_heads(section, heads, contents, part)
        _check_indices(section, part)
        checked.append((part, section, contents))
    _check_classes(checked)
    training = [(part, section, contents) for part, section, contents in checked if part.training]
    if training and len(training) == sum(part.training for part in parts):
        check_steps(cfg, training[0][1], [(part, contents) for part, _, contents in training])
    for name in ('val', 'test'):
        evaluated = [(section, part, contents) for part, section, contents in checked if name in part.names]
        if len(evaluated) == 1:
            check_evaluation(cfg, name, *evaluated[0])
    _note_unlisted(checked)
    _check_overlap(checked, report, reading)
    return report


def read_parts(cfg: Config, report: Report) -> list[Part]:
    """Build the datasets without reading them.

    Args:
        cfg (Config): The config.
        report (Report): Gets those that cannot be built.

    Returns:
        list[Part]: One for each dataset; validation and test share theirs where it is the same.
    """
    parts, validated = [], []
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader') or {}
        metrics = list_metrics(cfg.get(f'{name}_evaluator'))
        for dataset, transforms in unwrap(loader.get('dataset') or {}):
            where = {key: value for key, value in dataset.items() if key != 'pipeline'}
            same = next((part for part, other in validated if name == 'test' and other == where), None)
            if same is not None:
                same.add(name, transforms, metrics)
            elif (built := _build(dataset, cfg.default_scope, name, report)) is not None:
                parts.append(Part([name], built, transforms, metrics))
                validated.extend([(parts[-1], where)] if name == 'val' else [])
    return parts


def _build(dataset: dict, scope: str, name: str, report: Report) -> Any:
    """A dataset that has not read anything yet."""
    with DATASETS.switch_scope_and_registry(scope) as registry:
        try:
            return registry.build({**dataset, 'pipeline': [], 'lazy_init': True})
        except Exception as error:  # of many types, as each dataset checks its own arguments
            report.section(name).error(f'{name}_dataloader.dataset, of type {dataset.get("type")}, cannot be built: '
                                       f'{type(error).__name__}: {error}')
            return None


def _why_not(dataset: Any) -> str:
    """The reason why a dataset cannot be checked, if there is one."""
    if _reader_of(dataset) not in CHECKS:
        return f'{type(dataset).__name__} is neither in the format of COCO nor pairs of images and label maps'
    backend = (dataset.backend_args or {}).get('backend', 'local')
    paths = [dataset.ann_file, *dataset.data_prefix.values()]
    return f'{backend} is no local disk' if backend != 'local' else next(
        (f'{path} is no local path' for path in paths if '://' in (path or '')), '')


def check_of(dataset: Any) -> Any:
    """The check for a dataset on a local disk; None if there is none."""
    return None if _why_not(dataset) else CHECKS[_reader_of(dataset)]


def _reader_of(dataset: Any) -> str:
    method = getattr(type(dataset), 'load_data_list', None)
    return f'{getattr(method, "__module__", "")}.{getattr(method, "__qualname__", "")}'


def _check_heads(section: Section, heads: dict[str, int], contents: Contents, part: Part) -> None:
    text = describe_heads(heads, contents.classes, part.title) if contents.classes else ''
    if text and not getattr(part.dataset, 'return_classes', False):
        section.error(text)


def _check_indices(section: Section, part: Part) -> None:
    chosen = part.dataset._indices
    if chosen is not None and not chosen:
        section.error(f'indices={chosen!r} leaves no image', advice='Give a number or a list of images.')


def _check_classes(checked: list[tuple[Part, Section, Contents]]) -> None:
    """The same numbers have to mean the same in all datasets."""
    known = [(part, section, contents.classes) for part, section, contents in checked if contents.classes]
    for _, section, classes in known[1:]:
        if classes != known[0][2]:
            section.error(f'its {len(classes)} classes ({some(classes)}) are others than the {len(known[0][2])} of '
                          f'{known[0][0].title} ({some(known[0][2])}), or in another order',
                          advice='Give both the same metainfo.')


def _note_unlisted(checked: list[tuple[Part, Section, Contents]]) -> None:
    for _, section, contents in checked:
        others = {path for _, _, other in checked if other.folder == contents.folder for path in other.listed}
        section.note(f'images in {contents.folder} that no dataset of the config lists',
                     [os.path.relpath(path, contents.folder) for path in sorted(contents.on_disk - others)])


def _check_overlap(checked: list[tuple[Part, Section, Contents]], report: Report, reading: Reading) -> None:
    training = [(part, contents) for part, _, contents in checked if part.training and contents.files]
    for part, _, contents in checked:
        for other, train in training if contents.files and not part.training else ():
            section = report.section(f'{part.title} against {other.title}')
            same = find_same(train.files, contents.files, reading)
            section.facts.append(f'{len(contents.files)} images compared with {len(train.files)}, by content')
            section.error('images that are in both', [one if one == two else f'{one} = {two}' for one, two in same],
                          'Scores on images of the training say nothing: take them out of one of the two.')
            found = {os.path.relpath(path, contents.folder) for _, path in same}
            section.warning('file names that are in both, with other content',
                            sorted((train.names & contents.names) - found),
                            'They may be the same images, encoded anew.')
