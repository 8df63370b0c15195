"""Checkpoints of DeepSpeed: which file of the folder has the weights, and whether they are whole in it.

A checkpoint is a folder: ``latest`` names one in it, and there ``mp_rank_00_model_states.pt`` has the model's weights
under ``module``, up to ZeRO stage 2 all of them, in the precision of the training. In stage 3 each process writes its
share, ``zero_pp_rank_N_mp_rank_00_model_states.pt``, with empty tensors in the places of the weights.

Source: ``_save_checkpoint`` of ``deepspeed/runtime/engine.py``, and ``deepspeed/utils/zero_to_fp32.py``.
"""

import os
import os.path as osp
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...errors import UserError

NOTE = 'latest'
WEIGHTS = 'mp_rank_00_model_states.pt'
SHARE_OF_WEIGHTS = 'model_states.pt'
# Keys of its files of weights, some of which came with later releases.
MARKS = {'ds_version', 'ds_config', 'param_shapes', 'mp_world_size'}
JOINING = ('python zero_to_fp32.py FOLDER OUT, which DeepSpeed has put into the folder with the file "latest" (with '
           '--max_shard_size 1TB, if it knows that option, for a single file), and give what it writes')
OPTIMIZER_FILE = ('It is what DeepSpeed saves of its optimizer. Give the file of the model beside it, '
                  f'{WEIGHTS}, or run {JOINING}')


def what_folder(path: str) -> str | None:
    """What to give instead of a folder.

    Args:
        path (str): The folder.

    Returns:
        str | None: A sentence; None if DeepSpeed has not written the folder.
    """
    inside = osp.join(path, _tag(path) or '')
    names = sorted(os.listdir(inside)) if osp.isdir(inside) else []
    if WEIGHTS in names:
        return f'is a checkpoint of DeepSpeed. Give the file of the model in it, {osp.join(inside, WEIGHTS)}.'
    if any(name.endswith(SHARE_OF_WEIGHTS) for name in names):
        return f'is a checkpoint of DeepSpeed whose weights are spread over the files in it (ZeRO 3). Run {JOINING}.'
    return None


def _tag(path: str) -> str | None:
    """The folder inside that the note names."""
    try:
        with open(osp.join(path, NOTE), encoding='utf-8') as file:
            return file.read(1000).strip()
    except (OSError, ValueError):
        return None


def require_whole(path: str, content: Any) -> None:
    """Refuse a file of DeepSpeed that has only a share of the weights.

    Args:
        path (str): The file.
        content (Any): What is in it; all that is not of DeepSpeed is accepted.

    Raises:
        UserError: If tensors are empty or of another shape than the file itself says (ZeRO 3), or it is one of several
            slices of the model.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get('module'), Mapping) or not MARKS & set(content):
        return
    weights = {name: value for name, value in content['module'].items() if isinstance(value, Tensor)}
    shapes = _shapes(content.get('param_shapes'))
    spread = [name for name, value in weights.items()
              if tuple(value.shape) != shapes.get(name, tuple(value.shape)) or not value.numel()]
    if spread:
        raise UserError(f'{path} has no values for {len(spread)} of {len(weights)} parameters ({spread[0]}, ...): ZeRO '
                        f'3 spreads them over the files of all processes. Run {JOINING}.')
    slices = content.get('mp_world_size')
    if isinstance(slices, int) and slices > 1:
        raise UserError(f'{path} is one of {slices} slices of a model (mp_world_size), each of them with a part of '
                        'every layer. Join them with the tool of the code base that trained it, and give that file.')


def _shapes(groups: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters, of which there is a dictionary for each group of the optimizer."""
    groups = groups if isinstance(groups, list) else [groups]
    return {name: tuple(shape) for group in groups if isinstance(group, Mapping) for name, shape in group.items()
            if isinstance(shape, (tuple, list))}
