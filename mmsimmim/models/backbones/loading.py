"""Loading with a report: a file fits an encoder, or is refused.

MMEngine loads with ``strict=False``: parameters that a file lacks stay random, with no more than a line in the log.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...checkpoints import Contents, convert_state_dict, known_part, recognise
from ...checkpoints.report import describe
from ...checkpoints.sizes import extra_norms, what_to_set
from ...checkpoints.weights import INNER_WRAPPERS, unwrap_names
from ...errors import UserError

# Computed, not learned: files with them load all the same.
BUFFERS = ('relative_position_index', 'relative_coords_table', 'attn_mask')
BIAS_TABLE = 'relative_position_bias_table'


class CheckpointMismatch(UserError, RuntimeError):
    """A checkpoint that does not fit the model; a RuntimeError like torch's own."""


class LoadReport(NamedTuple):
    """Names of the parameters of a file and of an encoder, by how they match.

    Args:
        matched (list[str]): The encoder's, found in the file; ``resized`` are among them.
        resized (list[str]): Those whose table or embedding has another size in the file.
        misshapen (list[str]): The encoder's, of another shape in the file.
        integers (list[str]): The encoder's, of the same shape but whole numbers in the file.
        missing (list[str]): The encoder's, not in the file.
        unexpected (list[str]): The file's, without a place in the encoder.
    """

    matched: list[str]
    resized: list[str]
    misshapen: list[str]
    integers: list[str]
    missing: list[str]
    unexpected: list[str]

    def __str__(self) -> str:
        total = sum(map(len, (self.matched, self.misshapen, self.integers, self.missing)))
        lines = [f'{len(self.matched)} of {total} parameters matched ({len(self.resized)} of them resized), '
                 f'{len(self.missing)} missing, {len(self.unexpected)} unexpected']
        for what, names in (('resized', self.resized), ('of another shape', self.misshapen),
                            ('integers', self.integers), ('missing, left as they were', self.missing),
                            ('unexpected, not used', self.unexpected)):
            lines += [f'{what}: {shorten(names)}'] if names else []
        return '; '.join(lines)


def compare(own: Mapping[str, Tensor], given: Mapping[str, Tensor], sizes: Mapping[str, tuple]) -> LoadReport:
    """Compare the parameters of a file with those of an encoder.

    Args:
        own (Mapping[str, Tensor]): The encoder's parameters.
        given (Mapping[str, Tensor]): The file's under the encoder's names, which may be on the meta device.
        sizes (Mapping[str, tuple]): Shapes of the file's before they were converted to the encoder's form, by
            those of their names that were there already.

    Returns:
        LoadReport: The names of what fits and what does not.
    """
    fits = {name: _same_shape(name, given[name], own[name]) for name in own if name in given}
    integers = [name for name in fits if fits[name] and _is_integer(given[name], own[name])]
    matched = [name for name in fits if fits[name] and name not in integers]
    return LoadReport(
        matched=matched,
        resized=[name for name in matched if sizes.get(name, given[name].shape) != own[name].shape],
        misshapen=[name for name in fits if not fits[name]],
        integers=integers,
        missing=[name for name in own if name not in given],
        unexpected=[name for name in given if name not in own and not name.endswith(BUFFERS)])


def own_parameters(module: nn.Module) -> dict[str, Tensor] | None:
    """Parameters by the names that they have in files; None if FSDP has sharded and flattened them."""
    names = dict(module.named_parameters())
    if any('_fsdp_wrapped_module.' in name or name.endswith('_flat_param') for name in names):
        return None
    return {INNER_WRAPPERS.sub('', name): parameter for name, parameter in names.items()}


def drop_others(own: Iterable[str], state_dict: dict[str, Any], prefix: str) -> None:
    """Take what is no tensor out of a state dict, in place.

    Args:
        own (Iterable[str]): Names of the encoder's parameters.
        state_dict (dict[str, Any]): Changed in place.
        prefix (str): Prefix of the encoder's keys.

    Raises:
        CheckpointMismatch: If it stands for a parameter.
    """
    for name, value in below(state_dict, prefix).items():
        if not isinstance(value, Tensor):
            if name in own:
                raise CheckpointMismatch(f'{prefix}{name} of the checkpoint is a {type(value).__name__} and no tensor')
            del state_dict[prefix + name]


def use_own_names(own: Iterable[str], state_dict: dict[str, Tensor], prefix: str, in_part: bool = False) -> None:
    """Convert the keys of whole models and of other code bases to the encoder's own.

    Args:
        own (Iterable[str]): Names of the encoder's parameters.
        state_dict (dict[str, Tensor]): Changed in place, if less than half of the names are in it.
        prefix (str): Prefix of the encoder's keys.
        in_part (bool): Convert what is known even if there are other keys. Defaults to False.
    """
    own = set(own)
    given = below(state_dict, prefix)
    if 2 * len(own & given.keys()) >= len(own):
        return
    renamed = below(given, 'backbone.')
    if 2 * len(own & renamed.keys()) < len(own):
        try:
            weights = unwrap_names(renamed or given)
            weights = known_part(weights) if in_part else weights
            renamed = below(convert_state_dict(weights, to='mmsimmim'), 'backbone.')
        except ValueError:  # unknown: the comparison that follows says what it is
            pass
    if renamed:
        for name in given:
            del state_dict[prefix + name]
        state_dict.update({prefix + name: value for name, value in renamed.items()})


def require_fit(report: LoadReport, own: Mapping[str, Tensor], given: Mapping[str, Tensor], encoder: str,
                required: tuple[str, ...], min_matched: float) -> None:
    """Refuse a file that is not of this encoder.

    Args:
        report (LoadReport): The comparison.
        own (Mapping[str, Tensor]): The encoder's parameters.
        given (Mapping[str, Tensor]): What the file holds, under the names that it has there.
        encoder (str): Name of the encoder's class.
        required (tuple[str]): Prefixes of the names that count. The rest (norms of outputs, the mask token) may be
            missing, or be in the file alone.
        min_matched (float): Fraction of them that the file must have; 0 accepts any file.

    Raises:
        CheckpointMismatch: If too many are missing, or any has another shape (bias tables: other heads), integers, or
            no place here, or a block lacks its extra norm alone, as in files of networks without.
    """
    missing, misshapen, integers, unexpected = (
        [name for name in names if name.startswith(required)]
        for names in (report.missing, report.misshapen, report.integers, report.unexpected))
    total = sum(name.startswith(required) for name in own)
    without_norm = _without_extra_norm(report)
    too_few = total - len(missing) < min_matched * total
    if min_matched == 0 or not (misshapen or integers or unexpected or without_norm or too_few):
        return
    counts = '; '.join(f'{len(names)} {fault} ({", ".join(names[:2])}{", ..." if len(names) > 2 else ""})'
                       for fault, names in (('missing', missing), ('of another shape', misshapen),
                                            ('integers', integers), ('without a place here', unexpected)) if names)
    raise CheckpointMismatch(
        f'the checkpoint does not fit this {encoder}. It holds {_describe(given)}; the backbone is {_describe(own)}. '
        f'Of {total} parameters: {counts}. {_advice(unexpected, _recognise(given), _recognise(own))} (to load a part '
        'on purpose, set init_cfg=dict(..., min_matched=0))')


def _without_extra_norm(report: LoadReport) -> list[str]:
    """Extra norms of Swin V2 that blocks of the file do not have."""
    there = set(report.matched)
    norms = [name for name in report.missing if re.fullmatch(r'stages\.\d+\.blocks\.\d+\.norm3\.weight', name)]
    return [name for name in norms if name.replace('.norm3.', '.norm2.') in there]


def describe_new_norm(report: LoadReport) -> str:
    """What to set where a file has no norm after the last block of a vision transformer, and the model has; else ''."""
    if 'ln1.weight' not in report.missing:
        return ''
    average = ", and out_type='avg_featmap' for its average of patches" if 'ln2.weight' in report.unexpected else ''
    return ('the checkpoint is of a network without a norm after the last block, where final_norm=True puts one with '
            f"new weights: set final_norm=False, the default of mmpretrain's BEiTViT{average}")


def _advice(unexpected: list[str], file: Contents | None, backbone: Contents | None) -> str:
    if f'layers.0.attn.{BIAS_TABLE}' in unexpected:
        return ('The file has a table of position biases for each block: build the backbone with '
                'use_rel_pos_bias=True, use_shared_rel_pos_bias=False')
    advice = 'Give a checkpoint of the same architecture'
    if file is None or backbone is None:
        return advice
    theirs, ours = file.extra_norm_every_n_blocks, backbone.extra_norm_every_n_blocks
    if file.encoder == backbone.encoder == 'swin_v2' and theirs != ours:
        remedy = 'which no setting gives' if theirs is None else f'set extra_norm_every_n_blocks={theirs} in its arch'
        advice = f'The file has {extra_norms(theirs)}, the backbone {extra_norms(ours)} (norm3): {remedy}. {advice}'
    settings = what_to_set(file, backbone)
    return f'{advice}, or set {", ".join(settings)} in the backbone, as the file has it' if settings else advice


def elsewhere(names: Iterable[str]) -> str:
    """What to do about an encoder with an unknown prefix, such as ``student.backbone.``; '' if there is none."""
    pattern = re.compile(r'(?!(?:backbone|encoder)\.patch)(.+\.)patch_embed\.')
    found = next(filter(None, map(pattern.match, names)), None)
    if found is None:
        return ''
    return (f"; an encoder is found below {found[1]}: use init_cfg=dict(type='Pretrained', checkpoint=..., "
            f'prefix={found[1]!r}) of the backbone')


def first_not_finite(state_dict: Mapping[str, Tensor]) -> str | None:
    """Name of the first parameter with an infinite or NaN value."""
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    return next((name for name, value in state_dict.items()
                 if value.dtype in kinds and not value.is_meta and not value.isfinite().all()), None)


def below(state_dict: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose key starts with ``prefix``, without it."""
    return {key[len(prefix):]: value for key, value in state_dict.items() if key.startswith(prefix)}


def shorten(names: list[str], limit: int = 6) -> str:
    """Names in a line; if they are many, those that differ in numbers only are merged."""
    if len(names) <= limit:
        return ', '.join(names)
    kinds = {}
    for name in names:
        kinds.setdefault(re.sub(r'(?<=\.)\d+(?=\.)', '*', name), []).append(name)
    texts = [f'{kind} ({len(alike)})' if len(alike) > 1 else alike[0] for kind, alike in kinds.items()]
    return ', '.join(texts[:3 * limit]) + (', ...' if len(texts) > 3 * limit else '')


def _describe(state_dict: Mapping[str, Tensor]) -> str:
    if not state_dict:
        return ('nothing under the names of the backbone (files of other code bases go into a whole model with '
                'mmengine.runner.load_checkpoint(model, file))')
    try:
        return describe(recognise(unwrap_names(state_dict)))
    except ValueError as error:
        return f'something else: {error}{elsewhere(state_dict)}'


def _recognise(state_dict: Mapping[str, Tensor]) -> Contents | None:
    try:
        return recognise(unwrap_names(state_dict))
    except ValueError:
        return None


def _is_integer(given: Tensor, own: Tensor) -> bool:
    return own.is_floating_point() and not given.is_floating_point()


def _same_shape(name: str, given: Tensor, own: Tensor) -> bool:
    """Bias tables are resized to the window, not to other heads."""
    skipped = 1 if name.endswith(BIAS_TABLE) else 0
    return given.shape[skipped:] == own.shape[skipped:]
