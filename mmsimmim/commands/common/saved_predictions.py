"""Predictions in the format of the labels, written by the metric that scores them."""

import inspect
import os
from collections import Counter

from mmengine.config import Config
from mmengine.registry import METRICS
from mmengine.runner import Runner

from ...datasets.checks.part import list_metrics
from ...datasets.checks.report import some
from ...errors import UserError

# The argument of a metric that says where to write: the beginning of the names of files, or a folder of images.
PREFIX, FOLDER = 'outfile_prefix', 'output_dir'


def save_predictions(cfg: Config, folder: str) -> list[str]:
    """Let the metrics of the test write the predictions that they score.

    MMDetection's write COCO's JSON, ``predictions.bbox.json`` and ``predictions.segm.json``; MMSegmentation's write a
    label map for each image, with the values that the labels have in their files.

    Args:
        cfg (Config): Changed in place.
        folder (str): Where to write.

    Returns:
        list[str]: What will be written, by the beginning of its path.

    Raises:
        UserError: No metric of the test can do that, or it does not know the ids of the categories.
    """
    written = []
    metrics = list_metrics(cfg.get('test_evaluator'))
    for metric in metrics:
        arguments = _arguments_of(metric, cfg.get('default_scope'))
        number = f'_{len(written) + 1}' if written else ''
        if PREFIX in arguments and 'ann_file' in arguments and not metric.get('ann_file'):
            raise UserError(f'--save-predictions: test_evaluator of type {metric.get("type")} has no ann_file, without '
                            'which it writes the numbers of classes in place of the category ids. Set ann_file to the '
                            'annotation file of the test data.')
        if PREFIX in arguments:
            metric[PREFIX] = os.path.join(folder, f'predictions{number}')
            written.append(metric[PREFIX])
        elif FOLDER in arguments:
            metric[FOLDER] = os.path.join(folder, f'predictions{number}') if number else folder
            written.append(metric[FOLDER])
        if written and 'keep_results' in arguments:  # Cityscapes: otherwise removed at the end
            metric['keep_results'] = True
    if not written:
        kinds = some(str(metric.get('type')) for metric in metrics) or 'none'
        raise UserError('--save-predictions needs a metric that writes files: CocoMetric of mmdet, IoUMetric of mmseg '
                        f'and others with the argument {PREFIX} or {FOLDER}. test_evaluator has: {kinds}. --out '
                        'predictions.pkl writes the predictions of every model.')
    os.makedirs(folder, exist_ok=True)
    return written


def _arguments_of(metric: dict, scope: str | None) -> set[str]:
    """Names of all arguments of a metric, those that it passes on to its parents included."""
    kind = metric['type']
    if isinstance(kind, str):
        with METRICS.switch_scope_and_registry(scope) as registry:
            kind = registry.get(kind)
    return {name for parent in getattr(kind, '__mro__', ())[:-1] for name in inspect.signature(parent).parameters}


def require_distinct_names(runner: Runner) -> None:
    """Label maps are named after their images without the folder: two of one name would overwrite each other.

    Args:
        runner (Runner): About to test.

    Raises:
        UserError: Two images have the same name.
    """
    if not any(getattr(metric, FOLDER, None) for metric in runner.test_evaluator.metrics):
        return
    dataset = runner.test_dataloader.dataset
    paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
    names = Counter(os.path.splitext(os.path.basename(path))[0] for path in paths)
    twice = [path for path in paths if names[os.path.splitext(os.path.basename(path))[0]] > 1]
    if twice:
        raise UserError(f'--save-predictions names label maps after the images, of which {len(twice)} share their name '
                        f'with another one ({some(twice)}): give them different names, or test one folder at a time.')
