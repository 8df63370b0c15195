"""What a run leaves behind, and what of it must be equal, bit for bit."""

import os
from pathlib import Path
from typing import Any

import torch

from mmsimmim.checkpoints.resuming.finder import find_checkpoint
from tests.commands.test_resume import assert_identical

PARTS = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')


def load(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True, map_location='cpu')


def files(folder: Path) -> list[str]:
    """Checkpoints, and what was to become one."""
    return sorted(path.name for path in folder.glob('*.pth*'))


def position(folder: Path) -> int:
    """Iterations in the checkpoint that a resumed run takes, which is read whole; 0 without one."""
    path, _ = find_checkpoint([str(folder)]) if folder.is_dir() else (None, [])
    return load(Path(path))['meta']['iter'] if path else 0


def differences(folder: Path, whole: Path) -> str:
    """Compare a run that was disturbed with one that was not; '' if they are the same.

    The files are the same, and in each the weights, the averaged weights, the optimizer's state and the schedules, and
    the best score.
    """
    if files(folder) != files(whole):
        return f'files: {files(folder)}, and undisturbed: {files(whole)}'
    for name in files(whole):
        ours, theirs = load(folder / name), load(whole / name)
        for part in PARTS:
            try:
                assert_identical(ours.get(part), theirs.get(part))
            except AssertionError:
                return f'{part} of {name} is another one'
        infos = [content['message_hub']['runtime_info'] for content in (ours, theirs)]
        scores, best = ([info.get(key) for info in infos] for key in ('best_score', 'best_ckpt'))
        if scores[0] != scores[1] or len({path and os.path.basename(path) for path in best}) > 1:
            return f'the best score in {name} is {scores[0]} ({best[0]}), and undisturbed {scores[1]} ({best[1]})'
    return ''
