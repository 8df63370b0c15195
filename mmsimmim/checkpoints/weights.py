"""Finding the parameters in a checkpoint, and removing the prefixes of training wrappers from their names."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..errors import UserError, shown

# The keys of the parameters in files of MMEngine, the official code, timm, DeiT and MAE, Lightning, DeepSpeed.
CONTAINERS = ('state_dict', 'model', 'model_state', 'model_state_dict', 'module', 'network', 'weights', 'params')
AVERAGES = ('state_dict_ema', 'model_ema', 'ema', 'ema_model', 'model_ema_state_dict')
# MMEngine's EMAHook swaps the two on saving: `state_dict` is the EMA, and this the last step's parameters.
EXCHANGED = 'ema_state_dict'
# What torch.compile, FSDP and activation checkpointing insert anywhere into a name.
INNER_WRAPPERS = re.compile(r'(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.')
# Prefixes of all names of a wrapped model: DistributedDataParallel's, Lightning modules', Lightning's own wrappers'.
OUTER_WRAPPERS = ('module.', 'model.', '_forward_module.', '_original_module.')
# How deep the above may be nested; a file can hold a dictionary that holds itself.
DEEPEST = 4
# Counters that averaged models save beside their parameters.
COUNTERS = ('steps', 'n_averaged')


def state_dict_of(checkpoint: Mapping[str, Any], ema: bool = False) -> dict[str, Tensor]:
    """Find the parameters in the content of a file, and remove what only training needed.

    Args:
        checkpoint (Mapping[str, Any]): As :func:`~.files.read_checkpoint` returns it; not changed.
        ema (bool): Take the EMA of the parameters. Defaults to False: the parameters themselves, or the
            EMA where there is nothing else. In files of MMEngine's EMAHook ``state_dict`` is the EMA, and is
            taken either way, as MMEngine does.

    Returns:
        dict[str, Tensor]: The parameters, without ``module.``, ``model.``, ``_orig_mod.`` and the like in the names.

    Raises:
        UserError: If there are no parameters in it, or no EMA where one is wanted.
    """
    return unwrap_names(find_weights(checkpoint, ema))


def has_weights(checkpoint: Mapping[str, Any]) -> bool:
    """Whether :func:`find_weights` finds any."""
    keys = (*CONTAINERS, *AVERAGES)
    return _holds_parameters(checkpoint) or any(_holds_parameters(checkpoint.get(key)) for key in keys)


def find_weights(checkpoint: Mapping[str, Any], ema: bool = False, depth: int = DEEPEST) -> Mapping[str, Any]:
    """The part of a checkpoint that holds the parameters, names as they are; see :func:`state_dict_of`."""
    averages = [key for key in AVERAGES if _holds_parameters(checkpoint.get(key), depth - 1)]
    ordinary = [key for key in CONTAINERS if _holds_parameters(checkpoint.get(key), depth - 1)]
    if ema and not averages and not (EXCHANGED in checkpoint and 'state_dict' in ordinary):
        raise UserError('The checkpoint holds no running average of the parameters (looked for '
                        f'{", ".join((*AVERAGES, EXCHANGED))}); its keys are {_names(checkpoint)}. Take the '
                        'parameters themselves: leave out --ema (ema=True).')
    for key in averages + ordinary if ema else ordinary + averages:
        return find_weights(checkpoint[key], depth=depth - 1)
    if _is_state_dict(checkpoint):
        return checkpoint
    if {'optimizer', 'optimizer_state_dict'} & set(checkpoint) or {'state', 'param_groups'} <= set(checkpoint):
        raise UserError('The checkpoint holds the state of an optimizer and no parameters of a model '
                        f'(keys {_names(checkpoint)}). Give the file that was saved with the model.')
    raise UserError(f'The checkpoint holds no parameters; its keys are {_names(checkpoint)}. They are looked for at '
                    f'the top and under {", ".join(CONTAINERS)}, and must have names, no numbers. Save '
                    '{"state_dict": model.state_dict()}.')


def unwrap_names(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict, without what wrappers insert into the names.

    Args:
        state_dict (Mapping[str, Any]): Not changed.

    Returns:
        dict[str, Tensor]: In the same order.
    """
    tensors = {INNER_WRAPPERS.sub('', key): value for key, value in state_dict.items() if isinstance(value, Tensor)}
    while True:
        named = [key for key in tensors if key not in COUNTERS]
        prefix = next((p for p in OUTER_WRAPPERS if named and all(key.startswith(p) for key in named)), None)
        if prefix is None:
            return tensors
        tensors = {key.removeprefix(prefix): tensors[key] for key in named}


def _holds_parameters(value: Any, depth: int = DEEPEST) -> bool:
    return depth >= 0 and isinstance(value, Mapping) and (
        _is_state_dict(value) or any(_holds_parameters(value.get(key), depth - 1) for key in CONTAINERS))


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(inner, Tensor) for inner in value.values()) and all(isinstance(key, str) for key in value)


def _names(mapping: Mapping[str, Any]) -> str:
    return (', '.join(shown(key) for key in list(mapping)[:8]) or 'none') + (', ...' if len(mapping) > 8 else '')
