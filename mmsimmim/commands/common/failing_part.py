"""The part of a config that an error came out of while a run was under way, read from the traceback.

A step can fail because of a value that no part refused when it was built: a size that does not fit, a word for a
number in a transform of MMCV. Which part it was tells where to look; the error itself is shown whole, as it may as well
be a fault of the code.
"""

from collections.abc import Iterator
from traceback import walk_tb
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from torch import nn
from torch.utils.data import DataLoader

from ..config.options import value_at
from .refusals import options_of_command, short

LOOPS = dict(train='_train_loop', val='_val_loop', test='_test_loop')
LENGTH = 600  # characters of an error


def failing_part(error: BaseException) -> str | None:
    """The sentence for an error in a step; None if there was no run, or no part of its config was at work.

    Args:
        error (BaseException): As it was caught, with its traceback.

    Returns:
        str | None: Key of the part, its type, the error, and which options of the command are for that part.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    runner = next((found for frame in frames if (found := _runner(frame.f_locals.get('self'))) is not None), None)
    if runner is None:
        return None
    parts = list(_parts(runner))
    for frame in reversed(frames):
        worker = frame.f_locals.get('self')
        # What iterates over a data loader with processes knows the data set that they read. MMEngine raises anew in
        # call_hook, which has the hook.
        for one in (worker, vars(worker).get('_dataset') if type(worker).__name__.endswith('DataLoaderIter') else None,
                    frame.f_locals.get('hook') if frame.f_code.co_name == 'call_hook' else None):
            for key, part in parts:
                if one is not None and part is one:
                    return _sentence(key, runner.cfg, error, frames)
    return None


def _runner(candidate: Any) -> Any:
    """A runner, or None."""
    return candidate if hasattr(candidate, 'call_hook') and hasattr(candidate, 'cfg') else None


# ---- what is at work, with its key


def _parts(runner: Any) -> Iterator[tuple[str, Any]]:
    cfg = runner.cfg
    if isinstance(model := getattr(runner, 'model', None), nn.Module):
        for name, module in model.named_modules():
            yield _key_of_module(cfg, name.removeprefix('module.')), module
    for side, name in LOOPS.items():
        loop = getattr(runner, name, None)
        yield from _of_loader(f'{side}_dataloader', getattr(loop, 'dataloader', None))
        metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', [])
        several = isinstance(cfg.get(f'{side}_evaluator'), (list, tuple))
        yield from ((f'{side}_evaluator.{i}' if several else f'{side}_evaluator', metric)
                    for i, metric in enumerate(metrics))
    # A loader that has not become one of a loop yet.
    yield from _of_loader('train_dataloader', getattr(runner, '_train_dataloader', None))
    for hook in getattr(runner, 'hooks', []):
        if key := _key_of_hook(cfg, hook):
            yield key, hook
    wrapper = getattr(runner, 'optim_wrapper', None)
    yield 'optim_wrapper.optimizer', getattr(wrapper, 'optimizer', None)
    yield 'optim_wrapper', wrapper
    schedulers, several = getattr(runner, 'param_schedulers', None), isinstance(cfg.get('param_scheduler'), list)
    yield from ((f'param_scheduler.{i}' if several else 'param_scheduler', scheduler)
                for i, scheduler in enumerate(schedulers if isinstance(schedulers, list) else []))


def _key_of_module(cfg: Config, name: str) -> str:
    """The innermost part of ``model`` that a module is of."""
    key, node = 'model', cfg.get('model')
    for step in name.split('.'):
        if isinstance(node, (list, tuple)) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, dict) and isinstance(node.get(step), (dict, list, tuple)):
            node = node[step]
        else:
            break
        key = f'{key}.{step}'
    return key


def _of_loader(key: str, loader: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(loader, DataLoader):
        return
    yield from _of_dataset(f'{key}.dataset', loader.dataset)
    yield f'{key}.sampler', loader.sampler
    yield f'{key}.batch_sampler', loader.batch_sampler


def _of_dataset(key: str, dataset: Any) -> Iterator[tuple[str, Any]]:
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []
    yield from ((f'{key}.pipeline.{i}', transform) for i, transform in enumerate(transforms))
    if inner := getattr(dataset, 'dataset', None):
        yield from _of_dataset(f'{key}.dataset', inner)
    for i, part in enumerate(getattr(dataset, 'datasets', None) or []):
        yield from _of_dataset(f'{key}.datasets.{i}', part)
    yield key, dataset


def _key_of_hook(cfg: Config, hook: Hook) -> str | None:
    hooks = [*(cfg.get('default_hooks') or {}).items(), *enumerate(cfg.get('custom_hooks') or [])]
    for name, settings in hooks:
        if isinstance(settings, dict) and str(settings.get('type')).split('.')[-1] == type(hook).__name__:
            return f'custom_hooks.{name}' if isinstance(name, int) else f'default_hooks.{name}'
    return None


# ---- the sentence


def _sentence(key: str, cfg: Config, error: BaseException, frames: list) -> str:
    settings, options = value_at(cfg, key), options_of_command(frames)
    kind = f' ({settings["type"]})' if isinstance(settings, dict) and 'type' in settings else ''
    inside = {name: value for name, value in options.items() if _is_part_of(name, key) or _is_part_of(key, name)}
    given = ' '.join(f'{name}={short(value)}' for name, value in (inside or options).items())
    return f'{key}{kind} failed: {_reason(error)}{f" (with --cfg-options {given})" if given else ""}'


def _reason(error: BaseException) -> str:
    text = str(error).strip()
    if 'Original Traceback' in text:  # of a worker, which ends with the error
        return text.splitlines()[-1][:LENGTH]
    return f'{type(error).__name__}: {" ".join(text.split())}'[:LENGTH]


def _is_part_of(key: str, whole: str) -> bool:
    return f'{key}.'.startswith(f'{whole}.')
