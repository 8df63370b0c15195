"""A resumed run deletes no file of the run that it goes on from."""

import os.path as osp
import posixpath

from mmengine.dist import broadcast_object_list
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import FlexibleRunner, Runner

from .leftovers import OUTDATED


def keep_to_own_folder(runner: Runner | FlexibleRunner) -> None:
    """Let MMEngine's own ``CheckpointHook`` forget the best checkpoint of another run, as ours does by itself.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains.
    """
    runner.register_hook(OwnFolderHook(), priority='VERY_HIGH')


class OwnFolderHook(Hook):
    """Call :func:`forget_files_of_others` for the hook that writes checkpoints."""

    def before_train(self, runner: Runner | FlexibleRunner) -> None:
        """Between the loading of a checkpoint and the hook's look at what it says."""
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                forget_files_of_others(runner, hook.out_dir)


def forget_files_of_others(runner: Runner | FlexibleRunner, out_dir: str | None) -> None:
    """Let a resumed run know of checkpoints in its own folder only.

    MMEngine notes the path of the best file in each checkpoint, and deletes that file after the next better score. In a
    run that goes on in another folder, or in a copy of its own, the path leads into the folder of the first. A file of
    that name in the own folder takes its place; without one the run has no best score yet. Of the files to keep
    (``max_keep_ckpts``) it notes numbers: those of another folder would be taken for files of the own one.

    Args:
        runner (Runner | FlexibleRunner): With what the checkpoint says in its ``message_hub``, which is changed.
        out_dir (str, optional): As ``CheckpointHook`` has it before the training: None for the work folder, else where
            that makes a folder of the same name.
    """
    folder, info = checkpoint_folder(runner.work_dir, out_dir), runner.message_hub.runtime_info
    resumed = getattr(runner, '_load_from', None)
    if resumed and not lies_in(resumed, folder):
        info.pop('keep_ckpt_ids', None)
        info.pop(OUTDATED, None)
    keys = [key for key in info if key == 'best_ckpt' or key.startswith('best_ckpt_')]
    found = [{key: _own_file(info[key], folder) for key in keys}]
    if keys:
        broadcast_object_list(found)  # other computers may not have the files
    for key, path in found[0].items():
        if path is not None:
            info[key] = path
            continue
        info.pop(key.replace('best_ckpt', 'best_score', 1), None)
        runner.logger.info(f'The best checkpoint of the resumed run, {info.pop(key)}, lies in another folder. It stays '
                           f'there, and the best one in {folder} is that of this run from now on.')


def _own_file(path: str | None, folder: str) -> str | None:
    """The same if it lies in the folder, else the file of this name there, or None."""
    if not isinstance(path, str) or lies_in(path, folder):
        return path
    own = osp.join(folder, osp.basename(path))
    return own if osp.isfile(own) else None


def checkpoint_folder(work_dir: str, out_dir: str | None) -> str:
    """Where MMEngine's ``CheckpointHook`` writes.

    Args:
        work_dir (str): The work folder.
        out_dir (str, optional): The hook's setting.

    Returns:
        str: The work folder, or a folder of its name in ``out_dir``.
    """
    if out_dir is None or out_dir == work_dir:
        return work_dir
    return osp.join(out_dir, osp.basename(osp.abspath(work_dir)))


def lies_in(path: str, folder: str) -> bool:
    """Whether a file is directly in a folder, by whatever name the folder is called.

    Args:
        path (str): The file, which need not be there; or an address.
        folder (str): The folder, or an address.
    """
    if '://' in path or '://' in folder:
        return posixpath.dirname(path) == folder.rstrip('/')
    return osp.realpath(osp.dirname(path)) == osp.realpath(folder)
