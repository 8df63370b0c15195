"""A training goes on only with the model, and with all of the state, that it was stopped with."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from mmengine.runner import FlexibleRunner, Runner
from torch import nn

from ....checkpoints.resuming.model_settings import changed_settings
from ....checkpoints.resuming.state_forms import find_malformed, find_schedule_misfits
from ....checkpoints.resuming.training_state import find_state_misfits, missing_parts, start_anew
from ....errors import UserError
from ....models.foreign_names import convert_for
from .check_architecture import is_whole


def require_same_training(runner: Runner | FlexibleRunner) -> None:
    """Let a runner that resumes refuse a checkpoint whose tables would be resized, or whose moments fit no parameter.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains. Strategies of others that shard the model are
            left alone.
    """
    if is_whole(runner):
        runner.register_hook(TrainingStateHook(), priority='VERY_HIGH')


class TrainingStateHook(Hook):
    """Stop before anything of a checkpoint is loaded that is not whole, or not one of this training."""

    def after_load_checkpoint(self, runner: Runner | FlexibleRunner, checkpoint: dict) -> None:
        """Compare a checkpoint with what the runner has built.

        Args:
            runner (Runner | FlexibleRunner): The runner, with its optimizer.
            checkpoint (dict): What the file holds.

        Raises:
            UserError: Parts are missing, tables or settings have other sizes, or moments are not those of the
                parameters; the message has the first few.
        """
        faults = (_missing(runner, checkpoint) or find_malformed(checkpoint) or _unlike(runner, checkpoint)
                  or _settings(runner, checkpoint)
                  or list(_of_schedules(runner, checkpoint.get('param_schedulers')))
                  or list(islice(_of_optimizers(runner, checkpoint['optimizer']), 4)))
        if faults:
            what, where = '; '.join(faults[:3]) + '; ...' * (len(faults) > 3), getattr(runner, '_load_from', None)
            raise UserError(f'The checkpoint {where} cannot be resumed: {what}. Give the config with which it was '
                            f'trained. {start_anew(where)}')


def _missing(runner: Runner | FlexibleRunner, checkpoint: dict) -> list[str]:
    return [f'it lacks {part}' for part in missing_parts(checkpoint, bool(runner.param_schedulers))]


def _unlike(runner: Runner | FlexibleRunner, checkpoint: dict) -> list[str]:
    """Parameters of another shape, or that no training of ours has written."""
    model = getattr(getattr(runner, 'strategy', None), 'skeleton', None) or _unwrap(runner.model)
    state = convert_for(model, checkpoint.get('state_dict', checkpoint), report=False)
    shapes = {re.sub(r'^module\.', '', name): tuple(value.shape) for name, value in state.items()}
    other = [f'{name} has the shape {shapes[name]} instead of {tuple(parameter.shape)}'
             for name, parameter in model.named_parameters() if shapes.get(name, parameter.shape) != parameter.shape]
    hint = [f'other windows or image sizes (window_size, img_size) make {len(other)} of its tables another shape']
    if other:
        return [*hint, *other]
    return [f'{name} has values that are infinite or no numbers' for name, _ in model.named_parameters()
            if name in state and state[name].is_floating_point() and not state[name].isfinite().all()]


def _settings(runner: Runner | FlexibleRunner, checkpoint: dict) -> list[str]:
    return changed_settings(checkpoint['meta'].get('cfg'), runner.cfg.get('model'))


def _of_schedules(runner: Runner | FlexibleRunner, saved: Any) -> Iterator[str]:
    schedules = runner.param_schedulers
    if not isinstance(schedules, dict):
        yield from find_schedule_misfits(saved, schedules) if schedules else ()
        return
    for name, some in schedules.items():
        if not isinstance(saved, dict) or name not in saved:
            yield f'it lacks the states of the schedules of {name}'
        else:
            yield from find_schedule_misfits(saved[name], some)


def _of_optimizers(runner: Runner | FlexibleRunner, state: dict) -> Iterator[str]:
    names = {id(parameter): name for name, parameter in _unwrap(runner.model).named_parameters()}
    wrapper = runner.optim_wrapper
    several = isinstance(wrapper, OptimWrapperDict)
    for name, one in wrapper.items() if several else [('optimizer', wrapper)]:
        if several and not isinstance(state, dict):
            yield f'it has no states of several optimizers, but a {type(state).__name__}'
            return
        for text in find_state_misfits(state.get(name) if several else state, one.optimizer.param_groups, names):
            yield f'the state of its {name} is not that of these parameters: {text}'


def _unwrap(model: nn.Module) -> nn.Module:
    while is_model_wrapper(model):
        model = model.module
    return model
