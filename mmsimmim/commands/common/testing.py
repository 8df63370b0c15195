"""Options of the test command: drawing, test-time augmentation, files with the results."""

import os
from collections.abc import Sequence

import mmengine
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.runner import Runner

from ...errors import UserError
from .saved_predictions import require_distinct_names

# How each framework's hook is told to draw every image, and which of its arguments is the folder.
DRAWING_HOOKS = dict(
    VisualizationHook=(dict(enable=True, interval=1), 'out_dir'),
    DetVisualizationHook=(dict(draw=True), 'test_out_dir'),
    SegVisualizationHook=(dict(draw=True, interval=1), None))



def use_validation(cfg: Config) -> None:
    """Test on the validation data where a config has no test data of its own, as in pre-training.

    Args:
        cfg (Config): Changed in place.

    Raises:
        UserError: It has neither.
    """
    if cfg.get('test_dataloader') is not None:
        return
    if cfg.get('val_dataloader') is None:
        raise UserError(f'The config {cfg.filename} sets neither test_dataloader nor val_dataloader: there is nothing '
                        'to test on.')
    cfg.test_dataloader, cfg.test_evaluator, cfg.test_cfg = cfg.val_dataloader, cfg.val_evaluator, dict()


def draw_predictions(cfg: Config, show: bool, show_dir: str | None, wait_time: float) -> None:
    """Switch on the framework's hook that draws predictions.

    Args:
        cfg (Config): Changed in place.
        show (bool): Open windows.
        show_dir (str, optional): Folder for image files.
        wait_time (float): Seconds that each window stays.

    Raises:
        UserError: The config has no such hook.
    """
    hook = _drawing_hook(cfg)
    kind = hook.get('type', '').split('.')[-1]
    if kind not in DRAWING_HOOKS:
        raise UserError('--show and --show-dir need default_hooks.visualization=dict(type=...) in the config, one of '
                        f'{", ".join(DRAWING_HOOKS)}. Reconstructions of a pre-trained model are drawn '
                        'by tools/analysis_tools/visualize_reconstruction.py.')
    settings, folder = DRAWING_HOOKS[kind]
    hook.update(settings, show=show, wait_time=wait_time)
    if show_dir:
        # Otherwise mmdet's would be in the folder of the log.
        place, key = (hook, folder) if folder else (cfg.visualizer, 'save_dir')
        place[key] = os.path.abspath(show_dir)


def _drawing_hook(cfg: Config) -> dict:
    """The config's hook; in detection and segmentation the framework's, where the config has none."""
    cfg.default_hooks = cfg.get('default_hooks') or {}
    kind = dict(mmdet='DetVisualizationHook', mmseg='SegVisualizationHook').get(cfg.get('default_scope'))
    if kind and not cfg.default_hooks.get('visualization'):
        cfg.default_hooks.visualization = dict(type=kind)
    return cfg.default_hooks.get('visualization') or {}


def use_tta(cfg: Config) -> None:
    """Wrap model and pipeline for test-time augmentation as the config describes it.

    Args:
        cfg (Config): Changed in place.

    Raises:
        UserError: The config does not describe it.
    """
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        raise UserError(f'--tta needs {" and ".join(missing)} in the config.')
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    dataset.pipeline = cfg.tta_pipeline


def check_output(out: str | None) -> None:
    """Refuse a result file of unknown kind before the test runs.

    Args:
        out (str, optional): Its path.

    Raises:
        UserError: It ends in neither .pkl nor .json.
    """
    if out is not None and not out.endswith(('.pkl', '.pickle', '.json')):
        raise UserError(f'--out {out}: the name must end in .pkl (predictions) or .json (metrics).')


def run_test(runner: Runner, out: str | None, saved: Sequence[str] = ()) -> dict:
    """Test, and write predictions or metrics to a file.

    Args:
        runner (Runner): The runner.
        out (str, optional): A .pkl file for the predictions or a .json file for the metrics.
        saved (Sequence[str]): Where :func:`save_predictions` lets metrics write. Defaults to ().

    Returns:
        dict: The metrics.
    """
    if out and not out.endswith('.json'):
        runner.test_evaluator.metrics.append(_dumper(runner)(out_file_path=out))
    if saved:
        require_distinct_names(runner)
    metrics = runner.test()
    for place in saved:
        runner.logger.info(f'Predictions saved: {place}{"" if os.path.isdir(place) else ".*"}')
    if out and out.endswith('.json') and is_main_process():
        os.makedirs(os.path.dirname(out) or '.', exist_ok=True)
        mmengine.dump(metrics, out)
    return metrics


def _dumper(runner: Runner) -> type:
    """MMDetection has a writer of its own, which compresses instance masks."""
    if runner.cfg.get('default_scope') == 'mmdet':
        from mmdet.evaluation import DumpDetResults
        return DumpDetResults
    return DumpResults
