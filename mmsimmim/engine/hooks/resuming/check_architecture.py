"""The checkpoint of a whole model must match the model of the config."""

import re
from collections import OrderedDict

from mmengine._strategy import DDPStrategy, SingleDeviceStrategy
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import FlexibleRunner, Runner
from torch import Tensor, nn

from ....checkpoints.resuming.training_state import start_anew
from ....errors import UserError
from ....models.backbones.encoder import loading_silently
from ....models.foreign_names import convert_for
from ...fsdp import FSDPStrategy

# Of MMEngine's strategies, those after which each process has all of the model.
WHOLE_MODEL = (DDPStrategy, SingleDeviceStrategy)


def require_same_architecture(runner: Runner | FlexibleRunner) -> None:
    """Let a runner refuse a checkpoint of another architecture, which MMEngine would load in part.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it loads. Strategies of others that shard the model are
            left alone.
    """
    if is_whole(runner):
        runner.register_hook(ArchitectureHook(), priority='VERY_HIGH')


def is_whole(runner: Runner | FlexibleRunner) -> bool:
    """Whether a checkpoint has the full tensors of the model in this runner."""
    return isinstance(runner, Runner) or isinstance(runner.strategy, FSDPStrategy) or (
        type(runner.strategy) in WHOLE_MODEL)


class ArchitectureHook(Hook):
    """Stop if a checkpoint lacks parameters of the model, has them in another shape, or has more layers.

    Whatever else it has beyond the model, such as buffers of older versions or an auxiliary head, a warning
    names.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Try to load the checkpoint.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): What the file holds.

        Raises:
            UserError: It does not fit; the message has counts and the first names.
        """
        model = getattr(getattr(runner, 'strategy', None), 'skeleton', None) or runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        faults = find_misfits(model, convert_for(model, checkpoint.get('state_dict', checkpoint), report=False))
        if faults:
            otherwise = f' {start_anew(runner._load_from)}' if getattr(runner, '_resume', False) else ''
            raise UserError('The checkpoint is not one of the model in the config: ' + '; '.join(faults) + '. Give '
                            f'the config with which it was trained.{otherwise}')


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
        with loading_silently(model):
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
