"""A resumed run follows the schedule of its config, and says where that is not the one of the checkpoint."""

import warnings
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, FlexibleRunner, Runner

from ....errors import UserError
from ...schedulers import WarmupLR
from .keep_implementation import IMPLEMENTATION

# Of a schedule's state, what says where it is and not which one it is.
POSITION = ('last_step', '_global_step', '_last_value', 'verbose')
# Attributes of schedules, by the key of the config that sets them.
KEYS = dict(total='end', base_values='the rates that optim_wrapper.optimizer gives')


def follow_schedule(runner: Runner | FlexibleRunner) -> None:
    """Let a resumed run follow the schedules and the learning rate of its config.

    MMEngine takes both from the checkpoint, without a word: a run that was to become longer would keep the curve of
    the shorter one.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains.
    """
    runner.register_hook(FollowScheduleHook(), priority='VERY_LOW')


class FollowScheduleHook(Hook):
    """Recompute the schedules of a checkpoint that are not those of the config, at the position of the checkpoint.

    From the first step on the rates are those that a run with this config would have had there from its beginning.
    Every difference is logged in a line. Whatever else the optimizer's settings are, the checkpoint's hold, as
    everywhere in PyTorch, and lines say so.
    """

    def after_load_checkpoint(self, runner: Runner | FlexibleRunner, checkpoint: dict) -> None:
        """Change the checkpoint in place, where its schedules are others.

        Args:
            runner (Runner | FlexibleRunner): The runner, with its optimizer and schedules.
            checkpoint (dict): What the file holds.

        Raises:
            UserError: A schedule that depends on results of the validation is another one.
        """
        meta = checkpoint.get('meta', {})
        for wrapper, optimizer, schedules, saved in _parts(runner, checkpoint):
            changes = list(_compare_schedules(schedules, saved, wrapper, optimizer))
            if changes:
                before = _highest(optimizer['param_groups'])
                _replay(schedules, *_position(runner, meta))
                saved[:] = [schedule.state_dict() for schedule in schedules]
                _take_rates(wrapper, optimizer, {schedule.param_name for schedule in schedules} | {'lr'})
                changes.append('The learning rate is that of the config at this position: '
                               f'{_highest(optimizer["param_groups"]):.6g}, and was {before:.6g}.')
            varied = {schedule.param_name for schedule in schedules} | {'lr', 'betas'}
            for line in [*changes, *_compare_settings(wrapper, optimizer, varied if schedules else {'lr'})]:
                runner.logger.warning(f'Resuming: {line}')


def _parts(runner: Runner | FlexibleRunner,
           checkpoint: dict) -> Iterator[tuple[OptimWrapper, dict, list[_ParamScheduler], list[dict]]]:
    """Each optimizer with its saved state, and its schedules with theirs."""
    wrapper, schedules = runner.optim_wrapper, runner.param_schedulers
    optimizer, saved = checkpoint.get('optimizer'), checkpoint.get('param_schedulers')
    if optimizer is None or (schedules and saved is None):
        return
    if not isinstance(wrapper, OptimWrapperDict):
        yield wrapper, optimizer, schedules or [], saved if schedules else []
    elif isinstance(schedules, dict):
        for name, one in wrapper.items():
            if name in optimizer and name in saved:
                yield one, optimizer[name], schedules.get(name, []), saved[name]


def _compare_schedules(schedules: list[_ParamScheduler], saved: list[dict], wrapper: OptimWrapper,
                       optimizer: dict) -> Iterator[str]:
    if not schedules and not _is_same(_highest(wrapper.param_groups), _highest(optimizer['param_groups'])):
        yield _tell('optim_wrapper.optimizer.lr', _highest(wrapper.param_groups), _highest(optimizer['param_groups']))
    if len(schedules) != len(saved):
        yield _tell('param_scheduler', f'{len(schedules)} schedules', f'{len(saved)}')
    for number, (schedule, state) in enumerate(zip(schedules, saved)):
        own = schedule.state_dict()
        place = 'param_scheduler' if len(schedules) == 1 else f'param_scheduler.{number}'
        if strange := sorted(state.keys() - own.keys()):
            yield f'{place} is a {type(schedule).__name__}; the checkpoint has another one, with {", ".join(strange)}.'
        for key in sorted((own.keys() & state.keys()).difference(POSITION)):
            if not _is_same(own[key], state[key]):
                values = [max(value) if key == 'base_values' and value else value for value in (own[key], state[key])]
                yield _tell(f'{place}: {KEYS.get(key, key)}', *values)


def _compare_settings(wrapper: OptimWrapper, optimizer: dict, varied: set[str]) -> Iterator[str]:
    """Settings of the optimizer that PyTorch takes from the checkpoint."""
    told = set()
    for own, saved in zip(wrapper.optimizer.param_groups, optimizer['param_groups']):
        for key in own.keys() & saved.keys() - {'params', 'initial_lr', *IMPLEMENTATION, *varied}:
            if key not in told and not key.startswith('initial_') and not _is_same(own[key], saved[key]):
                told.add(key)
                yield (f'optim_wrapper.optimizer: {key} is {own[key]} in the config and {saved[key]} in the checkpoint'
                       "; the checkpoint's holds.")


def _tell(key: str, own: Any, saved: Any) -> str:
    return f"{key}: {own} in the config, {saved} in the checkpoint; the config's holds."


def _is_same(own: Any, saved: Any) -> bool:
    if isinstance(own, (list, tuple)) and isinstance(saved, (list, tuple)):
        return len(own) == len(saved) and all(map(_is_same, own, saved))
    return own is saved or (isinstance(own, type(saved)) or isinstance(own, (int, float)) and isinstance(
        saved, (int, float))) and bool(own == saved)


def _position(runner: Runner | FlexibleRunner, meta: dict) -> tuple[int, int]:
    """Iterations and epochs done, in those of this run: its epochs may be of another length."""
    iterations, epochs = meta.get('iter', 0), meta.get('epoch', 0)
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        return epochs * len(runner.train_dataloader), epochs
    return iterations, 0


def _replay(schedules: list[_ParamScheduler], iterations: int, epochs: int) -> None:
    """Advance new schedules as a training does."""
    for schedule in schedules:
        if getattr(schedule, 'need_val_args', False):
            raise UserError(f'The checkpoint was written with other schedules than those of the config, and the rate '
                            f'of {type(schedule).__name__} depends on results of the validation, so that it cannot be '
                            'computed for this position. Resume with the param_scheduler and learning rate of the '
                            'run, or start a new one from its parameters: --cfg-options load_from=CHECKPOINT')
    by_iteration = [schedule for schedule in schedules if not schedule.by_epoch]
    by_epoch = [schedule for schedule in schedules if schedule.by_epoch]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # MMEngine misses the steps of the optimizer
        if len(schedules) == 1 and isinstance(schedules[0], WarmupLR):  # a function of its position
            if iterations:
                schedules[0].last_step = schedules[0]._global_step = iterations - 1
                schedules[0].step()
            return
        for _ in range(epochs or 1):
            for _ in range(iterations // (epochs or 1)):
                for schedule in by_iteration:
                    schedule.step()
            for schedule in by_epoch if epochs else ():
                schedule.step()


def _take_rates(wrapper: OptimWrapper, optimizer: dict, names: set[str]) -> None:
    """Give the saved optimizer the rates of the one at hand."""
    pairs = list(zip(optimizer['param_groups'], wrapper.optimizer.param_groups))
    if optimizer.get('base_param_settings') and wrapper.base_param_settings:
        pairs.append((optimizer['base_param_settings'], wrapper.base_param_settings))
    for saved, own in pairs:
        saved.update({key: own[key] for name in names for key in (name, f'initial_{name}') if key in own})


def _highest(groups: list[dict]) -> float:
    return max(float(group['lr']) for group in groups)
