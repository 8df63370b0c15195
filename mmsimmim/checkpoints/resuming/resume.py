"""Resuming an interrupted run."""

import os.path as osp
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from ...errors import UserError, why_missing
from ..reading.files import read_checkpoint
from .finder import find_checkpoint, find_fault
from .state_forms import find_malformed
from .training_state import missing_parts, start_anew


def set_resume(cfg: Config, resume: str | None) -> list[str]:
    """Let the config resume from a complete checkpoint, with the seed of the run that wrote it.

    Args:
        cfg (Config): With ``work_dir``. ``resume``, ``load_from`` and ``randomness.seed`` are changed in place.
        resume (str, optional): 'auto' for the last complete checkpoint of the work folder (if there is none, training
            starts from the beginning, from ``load_from`` if that is set), the path of a checkpoint, or None to leave
            it to the config.

    Returns:
        list[str]: Messages for the log.

    Raises:
        UserError: The given checkpoint does not exist or is incomplete, or one has not all of the training's state.
    """
    if resume is None:
        if not cfg.get('resume'):
            return []
        resume = cfg.get('load_from') or 'auto'
    if resume == 'auto':
        path, messages = find_checkpoint(work_folders(cfg))
        if path is None:
            cfg.resume = False
            return [*messages, f'--resume: no whole checkpoint in {cfg.work_dir}; training starts from the beginning.']
    else:
        path, messages = check_checkpoint(resume), []
    cfg.resume, cfg.load_from = True, path
    content = None if '://' in path else read_checkpoint(path, mmap=True)
    if content is not None:
        _require_state(cfg, path, content)
    return [*messages, f'Resuming from {path}.', *_take_seed(cfg, content)]


def check_checkpoint(path: str) -> str:
    """Make sure that a checkpoint can be read.

    Args:
        path (str): A file, or a URL, which is not checked.

    Returns:
        str: The same.

    Raises:
        UserError: There is no such file, or it is incomplete.
    """
    if '://' in path:
        return path
    if osp.isdir(path):
        raise UserError(f'{path} is a folder; give a checkpoint file (.pth) in it.')
    if not osp.isfile(path):
        raise UserError(f'The checkpoint {path} {why_missing(path)}.')
    fault = find_fault(path)
    if fault:
        raise UserError(f'The checkpoint {path} cannot be used: {fault}. Give another one (tools/train.py --resume '
                        'without a path takes the last whole one).')
    return path


def work_folders(cfg: Config) -> list[str]:
    """The folders that a run writes into.

    Args:
        cfg (Config): With ``work_dir``.

    Returns:
        list[str]: The work folder, and the one that ``CheckpointHook`` derives from ``out_dir``.
    """
    folders = [cfg.work_dir]
    out_dir = ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('out_dir')
    if out_dir:
        folders.append(osp.join(out_dir, osp.basename(osp.abspath(cfg.work_dir))))
    return folders


def _require_state(cfg: Config, path: str, content: Mapping[str, Any]) -> None:
    missing = missing_parts(content, bool(cfg.get('param_scheduler')))
    if missing:
        raise UserError(f'{path} holds no state of a training that could go on: it lacks '
                        f'{", ".join(missing)}. (A best_*.pth, and what save_optimizer=False writes, has weights '
                        f'alone.) {start_anew(path)}')
    faults = find_malformed(content)
    if faults:
        raise UserError(f'The checkpoint {path} cannot be resumed: {"; ".join(faults[:3])}. {start_anew(path)}')


def _take_seed(cfg: Config, content: Mapping[str, Any] | None) -> list[str]:
    """MMEngine restores the seed when the data loaders already have theirs: too late for the order of the data."""
    seed = content['meta'].get('seed') if content else None
    randomness = cfg.get('randomness') or {}
    if seed is None or seed == randomness.get('seed'):
        return []
    cfg.randomness = {**randomness, 'seed': seed}
    return [f'The seed is {seed}, as in the run that is resumed.']
