"""What the test tool needs: pictures, test-time augmentation, files with the results, weights that fit the model."""

import os
import re
from collections import OrderedDict
from collections.abc import Sequence

import mmengine
from mmengine._strategy import DDPStrategy, SingleDeviceStrategy
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import FlexibleRunner, Runner
from torch import Tensor, nn

from ..errors import UserError
from ..models.foreign_names import convert_for
from .fsdp import FSDPStrategy
from .saved_predictions import require_distinct_names

# How each framework's hook is told to draw every image, and which of its arguments is the folder.
DRAWING_HOOKS = dict(
    VisualizationHook=(dict(enable=True, interval=1), 'out_dir'),
    DetVisualizationHook=(dict(draw=True), 'test_out_dir'),
    SegVisualizationHook=(dict(draw=True, interval=1), None))

# Of MMEngine's strategies, those after which each process has all of the model.
WHOLE_MODEL = (DDPStrategy, SingleDeviceStrategy)


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
    """Switch on the framework's hook that paints predictions.

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


def require_same_architecture(runner: Runner | FlexibleRunner) -> None:
    """Let a runner refuse a checkpoint of another architecture, which MMEngine would load in part.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it loads. Strategies of others that cut up the model are
            left alone.
    """
    if isinstance(runner, Runner) or isinstance(runner.strategy, FSDPStrategy) or type(runner.strategy) in WHOLE_MODEL:
        runner.register_hook(ArchitectureHook(), priority='VERY_HIGH')


class ArchitectureHook(Hook):
    """Stop where a checkpoint lacks parameters of the model, has them in another shape, or has more layers.

    Whatever else it has beyond the model, such as buffers of older versions or an auxiliary head, MMEngine's own
    warning names.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Load once by way of trial.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): What the file holds.

        Raises:
            UserError: It does not fit; the message has counts and the first names.
        """
        model = getattr(getattr(runner, 'strategy', None), 'skeleton', None) or runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        faults = find_misfits(model, convert_for(model, checkpoint.get('state_dict', checkpoint)))
        if faults:
            raise UserError('The checkpoint is not one of the model in the config: ' + '; '.join(faults) + '. Give '
                            'the config with which it was trained.')


def find_misfits(model: nn.Module, state_dict: dict[str, Tensor]) -> list[str]:
    """Compare a model with the weights of a file, after what the model's modules do to them on loading.

    Args:
        model (nn.Module): Takes those that fit.
        state_dict (dict[str, Tensor]): The weights, each name with or without 'module.' before it.

    Returns:
        list[str]: A description of each kind of misfit; empty if all parameters are there.
    """
    weights = OrderedDict((re.sub(r'^module\.', '', name), value) for name, value in state_dict.items())
    weights._metadata = getattr(state_dict, '_metadata', OrderedDict())
    missing, unexpected, errors = _try_to_load(model, weights)
    shapes = re.findall(r'size mismatch for (\S+):', errors)
    parameters = dict(model.named_parameters())
    kinds = {_without_numbers(name) for name in parameters}
    return [text for text in (
        _describe(f'of {len(parameters)} parameters, it lacks', [name for name in missing if name in parameters]),
        _describe('of another shape are', shapes),
        _describe('of layers that the model does not have are',
                  [name for name in unexpected if _without_numbers(name) in kinds]),
        '' if shapes else errors) if text]


def _try_to_load(model: nn.Module, weights: dict[str, Tensor]) -> tuple[list[str], list[str], str]:
    """Names that the file lacks, names that the model lacks, and what modules refuse."""
    names = {}
    # The hook sees the names also where torch raises an error because of shapes.
    watch = model.register_load_state_dict_post_hook(
        lambda module, keys: names.update(missing=list(keys.missing_keys), unexpected=list(keys.unexpected_keys)))
    errors = ''
    try:
        model.load_state_dict(weights, strict=False)
    except (RuntimeError, ValueError) as error:  # the latter from backbones of this package
        errors = str(error).rstrip('. ')
    finally:
        watch.remove()
    return names.get('missing', []), names.get('unexpected', []), errors


def _without_numbers(name: str) -> str:
    """The same for all layers of a list."""
    return re.sub(r'(?<=\.)\d+(?=\.)', '#', name)


def _describe(what: str, names: list[str]) -> str:
    return f'{what} {len(names)} ({", ".join(names[:3])}{", ..." if len(names) > 3 else ""})' if names else ''
