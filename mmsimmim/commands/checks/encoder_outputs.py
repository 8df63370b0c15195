"""Checks before the first step that an encoder's outputs fit the necks and heads, and that each of them is used.

The model is built and run on PyTorch's meta device, which takes neither
memory nor computation.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ...errors import UserError
from ...models.backbones.encoder import Encoder
from ...models.backbones.hierarchy import HierarchicalEncoder
from ...models.simmim import SimMIM
from ...registry import MODELS
from ..common.distributed import wraps_in_ddp

SIDE = 256  # of the images, pixels


def check_encoder_outputs(cfg: Config) -> None:
    """Make sure that the outputs of an encoder of this package fit the necks and heads of its model.

    Args:
        cfg (Config): With ``model`` and, if there are several processes, ``launcher``.

    Raises:
        UserError: ``in_channels`` of a part does not fit the encoder; or parameters of the encoder would get no
            gradient, so that ``DistributedDataParallel`` would fail at the second step.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    backbone = cfg.model.get('backbone') if isinstance(cfg.get('model'), dict) else None
    if not backbone or not _is_ours(backbone.get('type')):
        return
    encoder = _build(backbone)
    if encoder is None:
        return
    _check_channels(cfg.model, encoder)
    if wraps_in_ddp(cfg):
        _check_gradients(cfg.model, encoder)


def _is_ours(kind: Any) -> bool:
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, Encoder)


def _build(settings: dict) -> nn.Module | None:
    """A model or encoder without values; None if it cannot be built, as the Runner will say in its own words."""
    settings = copy.deepcopy(settings)
    settings.get('backbone', settings)['with_cp'] = False
    settings.pop('data_preprocessor', None)
    try:
        with torch.device('meta'):
            return revert_sync_batchnorm(MODELS.build(settings))
    except Exception:
        return None


# ---- numbers of channels


def _check_channels(model: dict, encoder: Encoder) -> None:
    given = [shape[0] for shape in output_shapes(encoder)]
    for key, wanted, chosen, as_list in _wanted_channels(model):
        try:
            found = given if chosen is None else [given[i] for i in chosen]
        except IndexError:
            found = None
        if found != wanted:
            which = '' if chosen is None else f' for in_index {_short(chosen)}'
            raise UserError(
                f'{key}.in_channels is {_short(wanted)}{which}, but the {type(encoder).__name__} gives '
                f'{len(given)} map{"s" * (len(given) > 1)} with {_short(given)} channels (model.backbone.out_indices '
                f'is {encoder.out_indices}). Set {_fitting(key, wanted, found, encoder, as_list)}.')


def _fitting(key: str, wanted: list[int], found: list[int] | None, encoder: Encoder, as_list: bool) -> str:
    """The options that let a part and an encoder fit."""
    if found is not None and len(found) == len(wanted):
        return f'{key}.in_channels={_option(found, as_list)}'
    stages = len(getattr(encoder, 'depths', ()))
    if found is None or not len(wanted) <= stages:
        return f'out_indices of the backbone, and in_channels and in_index of {key}, so that they fit'
    last = range(stages - len(wanted), stages)
    return (f'model.backbone.out_indices={_option(last)} '
            f'{key}.in_channels={_option([encoder.embed_dims * 2**i for i in last], as_list)}')


def _wanted_channels(model: dict) -> Iterator[tuple[str, list[int], list[int] | None, bool]]:
    """Key, channels, numbers of the maps (None for all), and whether these are lists, of each part that tells."""
    for key, part in _parts_that_take_maps(model):
        channels, index = part.get('in_channels'), part.get('in_index')
        if isinstance(channels, (list, tuple)):
            yield key, list(channels), None if index is None else list(index), True
        elif isinstance(channels, int) and isinstance(index, int):
            yield key, [channels], [index], False
        elif isinstance(channels, int) and _is_simmim(model):
            yield key, [channels], [-1], False


def _parts_that_take_maps(model: dict) -> Iterator[tuple[str, dict]]:
    """Keys and configs of the neck, of the first of several, or of the heads where there is none."""
    for name in ['neck'] if model.get('neck') else ['panoptic_head', 'decode_head', 'auxiliary_head']:
        part = model.get(name)
        if isinstance(part, (list, tuple)):
            parts = part[:1] if name == 'neck' else part
            yield from ((f'model.{name}.{i}', one) for i, one in enumerate(parts))
        elif part:
            yield f'model.{name}', part


def _is_simmim(model: dict) -> bool:
    """Whether a model predicts from the last map alone."""
    kind = MODELS.get(model['type']) if isinstance(model.get('type'), str) else model.get('type')
    return isinstance(kind, type) and issubclass(kind, SimMIM)


def _short(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else str(list(numbers))


def _option(numbers: Sequence[int], as_list: bool = True) -> str:
    return f'[{",".join(map(str, numbers))}]' if as_list else str(numbers[0])


# ---- gradients


def _check_gradients(settings: dict, encoder: Encoder) -> None:
    model = _build(settings)
    try:
        used = [encoder.out_indices[i] for i in _used_outputs(model, encoder)]
    except Exception:  # of the many kinds of a part that has no result without values: nothing is known then
        return
    names = [name for name, parameter in encoder.named_parameters()
             if parameter.requires_grad and not _has_gradient(name, encoder, used)]
    if names:
        only_norms = all(name.startswith('norm') for name in names)
        raise UserError(
            f'{_describe(names)} of the backbone get no gradient, as {_reason(encoder, used, only_norms)}: training '
            'under DistributedDataParallel would stop at the second step. '
            f'{_cure(settings, encoder, used, only_norms)}')


def _used_outputs(model: nn.Module, encoder: Encoder) -> list[int]:
    """The outputs of the encoder that the results of its model depend on."""
    maps = tuple(torch.zeros(2, *shape, device='meta', requires_grad=True) for shape in output_shapes(encoder))
    results = [leaf for leaf in tree_leaves(_follow(model, maps)) if leaf.requires_grad]
    gradients = torch.autograd.grad(sum(result.sum() for result in results), maps, allow_unused=True)
    return [i for i, gradient in enumerate(gradients) if gradient is not None]


def output_shapes(encoder: Encoder) -> list[tuple[int, ...]]:
    """Shapes of an encoder's outputs for an image of 256 x 256 pixels: (C, H, W), (C, ) or (N, C)."""
    side = SIDE // encoder.patch_embed.projection.kernel_size[0]
    if isinstance(encoder, HierarchicalEncoder):
        return [(encoder.embed_dims * 2**i, side // 2**i, side // 2**i) for i in encoder.out_indices]
    shape = dict(featmap=(encoder.embed_dims, side, side), raw=(side * side + 1, encoder.embed_dims)).get(
        encoder.out_type, (encoder.embed_dims, ))
    return [shape] * len(encoder.out_indices)


def _has_gradient(name: str, encoder: Encoder, used: list[int]) -> bool:
    """Whether a parameter of an encoder has a part in the outputs that are used, given as stages or blocks."""
    last = max(used, default=-1)
    if not isinstance(encoder, HierarchicalEncoder):
        return name not in ('ln1.weight', 'ln1.bias') and _number_in(r'layers\.(\d+)', name) <= last or (
            last == encoder.num_layers - 1)
    norm, stage = _number_in(r'norm(\d+)\.', name), _number_in(r'stages\.(\d+)\.', name)
    leads_on = encoder.merges_after_blocks and '.downsample.' in name
    return norm in used if norm >= 0 else stage + leads_on <= last


def _number_in(pattern: str, name: str) -> int:
    found = re.match(pattern, name)
    return int(found[1]) if found else -1


def _follow(model: nn.Module, maps: tuple[Tensor, ...]) -> Any:
    """Whatever of a model's results depends on the encoder; of detectors, what their neck gives."""
    if isinstance(model, SimMIM):
        return model.neck(maps[-1])
    neck = getattr(model, 'neck', None)
    # What stands behind the first of several necks uses all of it, and may be an operator of mmcv.
    maps = (neck[0] if isinstance(neck, nn.Sequential) else neck)(maps) if neck is not None else maps
    if hasattr(model, 'decode_head'):
        return [_of_heads(getattr(model, name, None), maps) for name in ('decode_head', 'auxiliary_head')]
    head = getattr(model, 'head', None)
    return head.pre_logits(maps) if hasattr(head, 'pre_logits') else maps


def _of_heads(heads: nn.Module | None, maps: tuple[Tensor, ...]) -> list[Any]:
    """Results of a head, of several, or of a cascade, whose heads see the result of the one before."""
    results = []
    for head in heads if isinstance(heads, nn.ModuleList) else [heads] if heads is not None else []:
        try:
            results.append(head(maps))
        except TypeError:
            results.append(head(maps, results[-1] if results else None))
    return results


def _describe(names: list[str]) -> str:
    return f'{", ".join(names[:4])}{", ..." if len(names) > 4 else ""} ({len(names)} parameters)'


def _reason(encoder: Encoder, used: list[int], only_norms: bool) -> str:
    unused = [str(i) for i in encoder.out_indices if i not in used]
    if only_norms:
        return f'no neck or head uses output {" and ".join(unused)} of out_indices {tuple(encoder.out_indices)}'
    return f'the last output that is used, {max(used)} of out_indices {tuple(encoder.out_indices)}, comes before them'


def _cure(model: dict, encoder: Encoder, used: list[int], only_norms: bool) -> str:
    switch = 'find_unused_parameters=True'
    if not only_norms:
        return f'Set {switch}.'
    kept = [i for i, stage in enumerate(encoder.out_indices) if stage in used]
    changes = [f'model.backbone.out_indices={_option(used)}']
    for key, part in _parts_that_take_maps(model):
        if isinstance(part.get('in_channels'), (list, tuple)) and part.get('start_level'):
            channels = _option([part['in_channels'][i] for i in kept])
            changes += [f'{key}.in_channels={channels}', f'{key}.start_level={part["start_level"] - kept[0]}']
        elif part.get('in_index') in kept:
            changes.append(f'{key}.in_index={kept.index(part["in_index"])}')
    return f'Set {" ".join(changes)}; or {switch}, which costs a little time.'
