"""Checkpoints of other code bases for whole models: a SimMIM, a classifier, a detector, a segmentor.

An encoder converts the keys that it is given, but torch passes a submodule only keys with its prefix.
:mod:`mmsimmim.mmengine_loading` puts the conversion before MMEngine's ``load_state_dict``, through which all
loading goes. Models without an encoder of this package get the parameters under the names in the file.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from ..checkpoints import UnknownCheckpoint, convert_state_dict, known_part, recognise
from ..checkpoints.loading import origin_of
from ..checkpoints.report import describe
from ..checkpoints.weights import find_weights, unwrap_names
from ..errors import UserError
from .backbones.encoder import Encoder
from .backbones.loading import CheckpointMismatch, elsewhere, shorten
from .rest_report import RestReport, has_report


def convert_for(model: nn.Module, state_dict: Mapping[str, Tensor], report: bool = True) -> Mapping[str, Tensor]:
    """Convert a state dict to the names of a model, if it has others.

    Args:
        model (nn.Module): Any; what concerns no :class:`Encoder`, or more than one, is left alone.
        state_dict (Mapping[str, Tensor]): Not changed.
        report (bool): Say in the log what was renamed. Defaults to True.

    Returns:
        Mapping[str, Tensor]: ``state_dict`` itself, or a new one: the encoder's parameters, and those of decoder and
        classifier that the model has in the same shape.

    Raises:
        CheckpointMismatch: If it holds nothing for the encoder, unless the encoder's ``min_matched`` is 0.
        UserError: If it holds no parameters at all.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    _require_numbers(model, state_dict)
    encoders = {name: module for name, module in model.named_modules() if isinstance(module, Encoder)}
    if len(encoders) != 1:
        return state_dict
    (name, encoder), = encoders.items()
    if state_dict and not any(isinstance(value, Tensor) for value in state_dict.values()):
        state_dict = find_weights(state_dict)
    if not name or _is_named(state_dict, name):
        return state_dict
    weights = unwrap_names(state_dict)
    if _is_named(weights, name):
        return weights
    try:
        return _convert(model, name, known_part(weights) if encoder.min_matched == 0 else weights, report)
    except UnknownCheckpoint as error:
        if encoder.min_matched == 0:
            return state_dict
        raise CheckpointMismatch(f"the checkpoint has nothing for the {type(model).__name__}'s {name}: {error}"
                                 f'{elsewhere(state_dict)}. Give one of its architecture') from error


def _require_numbers(model: nn.Module, state_dict: Mapping[str, Any]) -> None:
    """Refuse parameters that PyTorch would round, or whose imaginary part it would drop, or that are no tensors."""
    for name, parameter in model.named_parameters():
        value = state_dict.get(name)
        path = origin_of(state_dict) if name in state_dict and not isinstance(value, Tensor) else None
        if name in state_dict and not isinstance(value, Tensor):
            raise CheckpointMismatch(f'{name} of {path or "the checkpoint"} is a {type(value).__name__} and no tensor')
        if isinstance(value, Tensor) and value.is_complex() and not parameter.is_complex():
            raise CheckpointMismatch(f'{name} of the checkpoint has complex values')


def _is_named(state_dict: Mapping[str, Tensor], name: str) -> bool:
    return any(key.startswith(f'{name}.') for key in state_dict)


def _convert(model: nn.Module, name: str, weights: dict[str, Tensor], report: bool) -> dict[str, Tensor]:
    contents = recognise(weights)
    own, result, left_out = model.state_dict(), {}, []
    for key, value in convert_state_dict(weights, to='mmsimmim').items():
        if key.startswith('backbone.'):
            result[name + key.removeprefix('backbone')] = value
        elif key in own and own[key].shape == value.shape:
            result[key] = value
        else:
            left_out.append(f'{key} {tuple(value.shape)}')
    print_log(f'The checkpoint holds {describe(contents)}; its parameters were renamed for {type(model).__name__}. '
              f'Not used, as the model has no such parameters: {shorten(left_out) or "none"}',
              logger='current' if report else 'silent', level=logging.INFO)
    return result


def load_converted(load: Callable, module: nn.Module, state_dict: Mapping[str, Tensor], strict: bool,
                   logger: Any) -> None:
    """Load a state dict of any code base by MMEngine's ``load_state_dict``; see :func:`convert_for`.

    Encoders report what they load. The rest of the model is reported in one more line of the log.

    Args:
        load (Callable): MMEngine's function.
        module (nn.Module): As of that function, like all that follow.
        state_dict (Mapping[str, Tensor]): Not changed.
        strict (bool): Raise where the names do not match.
        logger (Any): For what does not match, in a model without an encoder of this package.
    """
    try:
        _load_converted(load, module, state_dict, strict, logger)
    except UserError as error:
        path = origin_of(state_dict)
        if path is None or path in str(error):
            raise
        raise type(error)(f'{path}: {error}') from error


def _load_converted(load: Callable, module: nn.Module, state_dict: Mapping[str, Tensor], strict: bool,
                    logger: Any) -> None:
    state_dict = convert_for(module, state_dict)
    model = module.module if is_model_wrapper(module) or isinstance(module, BaseTTAModel) else module
    if strict or not has_report(model):
        return load(module, state_dict, strict, logger)
    rest = RestReport(model)
    with rest.watching():
        load(module, state_dict, strict, rest)
    if rest.faults:
        print_log(str(rest), logger='current', level=logging.WARNING)
