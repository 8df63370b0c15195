"""What a finished run leaves: the backbone for every code base."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ...checkpoints import convert_state_dict, read_checkpoint, recognise, state_dict_of, write_checkpoint
from ...checkpoints.resuming.finder import find_checkpoint
from ...errors import UserError
from ..convert_checkpoint import KEYS

# Code base -> the file for it.
EXPORTS = dict(backbone='backbone.pth', timm='backbone_timm.safetensors', hf='backbone_hf.safetensors')
# mmdet's own Swin reads only names that begin with ``backbone.``; ours, mmsegmentation's and mmpretrain's read both.
FORMS = dict(backbone=('mmdet', 'backbone'))


def last_checkpoint(work_dir: Path) -> Path:
    """The last complete checkpoint of a run.

    Raises:
        UserError: There is none.
    """
    found, _ = find_checkpoint([str(work_dir)])
    if found is None:
        raise UserError(f'{work_dir} holds no complete checkpoint.')
    return Path(found)


def is_finished(work_dir: Path, max_iters: int) -> bool:
    """Whether a run has come to its end."""
    found, _ = find_checkpoint([str(work_dir)])
    return found is not None and Path(found).name == f'iter_{max_iters}.pth'


def export(checkpoint: Path, out: Path) -> dict[str, str]:
    """Write the encoder for mmdet, mmsegmentation and mmpretrain (``backbone``), timm and Hugging Face.

    Each file is read again, and what comes back from it compared with what was trained, bit for bit.

    Args:
        checkpoint (Path): Of a pre-training.
        out (Path): The folder.

    Returns:
        dict[str, str]: Path by code base; of one that has no such encoder the reason.

    Raises:
        UserError: A file cannot be written, or gives other weights when it is read; then it is removed.
    """
    weights = state_dict_of(read_checkpoint(str(checkpoint), mmap=True), False)
    origin = recognise(weights).title
    files = {}
    for base, name in EXPORTS.items():
        try:
            form, converted = _converted(weights, FORMS.get(base, (base, )))
        except ValueError as error:
            files[base] = f'not written: {error}'
            continue
        write_checkpoint(str(out / name), converted, True, dict(origin=origin, converted_to=form), KEYS[form])
        try:
            _require_same(out / name, weights)
        except (UserError, OSError) as error:
            (out / name).unlink(missing_ok=True)
            raise UserError(f'{error} The file was removed.') from error
        files[base] = str(out / name)
    return files


def _converted(weights: dict[str, Tensor], forms: Sequence[str]) -> tuple[str, dict[str, Tensor]]:
    """The first of the forms that there is for this encoder, and the encoder in it."""
    *better, last = forms
    for form in better:
        with suppress(UserError):
            return form, convert_state_dict(weights, to=form)
    return last, convert_state_dict(weights, to=last)


def _require_same(path: Path, weights: dict[str, Tensor]) -> None:
    """Refuse a file from which another encoder comes back than that of ``weights``."""
    trained = convert_state_dict(weights, to='backbone')
    found = convert_state_dict(state_dict_of(read_checkpoint(str(path)), False), to='backbone')
    other = sorted(name for name in {*trained, *found}
                   if name not in trained or name not in found or not _same_bits(trained[name], found[name]))
    if other:
        raise UserError(f'{path} gave other weights than were written: {len(other)} of '
                        f'{len(trained)} parameters, such as {other[0]}. Check the disk.')


def _same_bits(ours: Tensor, theirs: Tensor) -> bool:
    """As numbers NaN would differ from itself, and 0 not from -0."""
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape and torch.equal(
        *(tensor.contiguous().flatten().view(torch.uint8) for tensor in (ours, theirs)))
