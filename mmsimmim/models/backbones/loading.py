"""Nothing is half-loaded in silence: a file fits an encoder, or it is refused.

MMEngine loads without strictness; what a file lacks stays at random, and a line in the log is all there is to show for
it.
"""

import logging

from mmengine.logging import print_log
from torch import Tensor, nn

BUFFERS = ('relative_position_index', 'relative_coords_table', 'attn_mask')


def strip_model_prefix(state_dict: dict[str, Tensor], prefix: str, names: list[str]) -> None:
    """Take ``backbone.`` off the keys of a whole model that is loaded into the backbone alone.

    Args:
        state_dict (dict[str, Tensor]): Changed in place.
        prefix (str): What stands before the encoder's keys.
        names (list[str]): The encoder's own keys.
    """
    given = [key for key in state_dict if key.startswith(prefix)]
    if any(prefix + name in state_dict for name in names):
        return
    if any(key.startswith('backbone.') and key.removeprefix('backbone.') in names for key in given):
        for key in given:
            state_dict[key.removeprefix('backbone.')] = state_dict.pop(key)


def require_fit(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, required: tuple[str, ...]) -> None:
    """Refuse a file that does not hold the whole encoder, and say what was loaded of one that does.

    Args:
        module (nn.Module): The encoder.
        state_dict (dict[str, Tensor]): The file's, keys with ``prefix``.
        prefix (str): What stands before the encoder's keys.
        required (tuple[str]): Beginnings of the names of parameters that must be in the file, and of which it must
            have no others. The rest (norms of outputs, the mask token) may be missing.

    Raises:
        RuntimeError: If parameters are missing, have another shape (bias tables: other heads), or find no place.
    """
    given = {key[len(prefix):]: tensor for key, tensor in state_dict.items() if key.startswith(prefix)}
    own = dict(module.named_parameters())
    needed = [name for name in own if name.startswith(required)]
    strange = [name for name in given if name.startswith(required) and name not in own]
    faults = {
        'missing': [name for name in needed if name not in given],
        'of another shape': [name for name in needed if not _same_shape(name, given.get(name, own[name]), own[name])],
        'without a place here': [name for name in strange if not name.endswith(BUFFERS)],
    }
    if any(faults.values()):
        counts = '; '.join(f'{len(names)} {fault} ({", ".join(names[:2])})' for fault, names in faults.items() if names)
        raise RuntimeError(f'the checkpoint does not fit this {type(module).__name__} of {len(needed)} parameters: '
                           f'{counts}. Give one of the same architecture; for official SimMIM files see '
                           'mmsimmim.checkpoints.convert_state_dict; to load a part on purpose set '
                           'allow_partial_loading = True on the backbone')
    absent = [name for name in own if name not in given]
    print_log(f'{type(module).__name__}: all {len(needed)} parameters of the encoder are in the checkpoint; not in it, '
              f'and left as they were: {", ".join(absent) or "none"}', logger='current', level=logging.INFO)


def _same_shape(name: str, given: Tensor, own: Tensor) -> bool:
    """Bias tables are resized to the window, not to other heads."""
    skipped = 1 if name.endswith('relative_position_bias_table') else 0
    return given.shape[skipped:] == own.shape[skipped:]
