"""Layer-wise learning rate decay."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm, _InstanceNorm
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from ...errors import UserError
from ...registry import OPTIM_WRAPPER_CONSTRUCTORS

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)
DECAY_KEYS = ('flat_decay_mult', 'norm_decay_mult', 'bias_decay_mult')
CUSTOM_KEYS = ('lr_mult', 'decay_mult')
# Parts of names that wrappers of modules add: FSDP, activation checkpointing, torch.compile.
WRAPPERS = ('_fsdp_wrapped_module', '_checkpoint_wrapped_module', '_orig_mod')


class Setting(NamedTuple):
    """Learning-rate scale and weight decay of one parameter.

    Args:
        lr_scale (float): Its learning rate over the optimizer's.
        weight_decay (float, optional): None leaves it to the optimizer.
    """

    lr_scale: float
    weight_decay: float | None


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LearningRateDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Layer-wise decay of the learning rate, for models of mmpretrain, mmdet and mmsegmentation alike.

    A parameter at depth d of an encoder with n depths has ``layer_decay_rate ** (n - 1 - d)`` of the optimizer's
    rate (``build_finetune_optimizer`` in the official ``optimizer.py``); the encoder knows these depths.
    Whatever is outside the encoder (necks, heads, decoders) has the full rate. mmpretrain's constructor of the same
    name does this for its own classifiers only.

    Parameters with equal settings share a group, groups begin with the lowest rate, and each carries its ``lr_scale``.
    Frozen parameters are left out. One that several modules share counts once.

    Args:
        optim_wrapper_cfg (dict): The optimizer wrapper, with ``optimizer.lr``.
        paramwise_cfg (dict): ``layer_decay_rate`` (float, above 0, at most 1), and as in MMEngine, the first that
            applies to a parameter deciding about its weight decay:

            - ``custom_keys`` (dict[str, dict]): by the longest key that is part of the parameter's name,
              ``decay_mult``, and ``lr_mult``, which comes on top of the layer's scale.
            - ``norm_decay_mult`` (float): for norms.
            - ``bias_decay_mult`` (float): for parameters named 'bias'.
            - ``flat_decay_mult`` (float): for all other parameters with one dimension.

            ``backbone_lr_mult`` (float, above 0), for recipes in which the whole encoder learns at a fraction of the
            rate of the rest, multiplies the rates of its parameters and leaves their weight decay to the rules above.
            A key ``backbone`` in ``custom_keys`` would let the encoder's norms and biases decay. Defaults to 1.

    Raises:
        UserError: A setting is missing, unknown or out of its range; from the call, if nothing in the model knows the
            depths of its parameters, or a shared parameter would get two different settings.

    Examples:
        >>> optim_wrapper = dict(
        >>>     optimizer=dict(type='AdamW', lr=5e-3, weight_decay=0.05),
        >>>     constructor='mmsimmim.LearningRateDecayOptimWrapperConstructor',
        >>>     paramwise_cfg=dict(layer_decay_rate=0.9, flat_decay_mult=0.0))
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer and its wrapper.

        Args:
            model (nn.Module): The model, or its wrapper for several processes.

        Returns:
            OptimWrapper: As the config describes it.
        """
        if 'flat_decay_mult' in self.paramwise_cfg and any(
                isinstance(module, FullyShardedDataParallel) for module in model.modules()):
            raise UserError('optim_wrapper.paramwise_cfg.flat_decay_mult: this kind of FSDP makes '
                            'every parameter flat. Train with mmsimmim.FSDPStrategy, which does not, or use '
                            'norm_decay_mult, bias_decay_mult and custom_keys in its place.')
        return super().__call__(model)

    def add_params(self, params: list[dict], module: nn.Module, **_: Any) -> None:
        """Sort the parameters of a model into groups.

        Args:
            params (list[dict]): Gets the groups.
            module (nn.Module): The whole model.
        """
        layer_scale = self._layer_scale(module)
        groups: dict[Setting, dict[str, nn.Parameter]] = {}
        seen: dict[int, tuple[str, Setting]] = {}
        for name, parameter, is_norm in _trained_parameters(module):
            setting = self._setting(name, parameter, is_norm, layer_scale(name))
            if id(parameter) not in seen:
                seen[id(parameter)] = name, setting
                groups.setdefault(setting, {})[name] = parameter
            elif seen[id(parameter)][1] != setting:
                first, other = seen[id(parameter)]
                raise UserError(f'{first} and {name} are one shared parameter, but get two settings: {other} and '
                                f'{setting}. Give both names the same in optim_wrapper.paramwise_cfg.custom_keys.')
        for setting in sorted(groups, key=lambda setting: (setting.lr_scale, setting.weight_decay or 0)):
            params.append(self._group(setting, groups[setting]))

    def _layer_scale(self, model: nn.Module) -> Callable[[str], float]:
        """The function that gives a parameter's scale by its name."""
        encoders = find_encoders(model)
        rate, factor = self.paramwise_cfg['layer_decay_rate'], self.paramwise_cfg.get('backbone_lr_mult', 1.)

        def scale(name: str) -> float:
            for prefix, encoder in encoders.items():
                if name.startswith(prefix):
                    depth, num_depths = encoder.get_layer_depth(name, prefix)
                    return factor * rate**(num_depths - 1 - depth)
            return 1.

        return scale

    def _setting(self, name: str, parameter: nn.Parameter, is_norm: bool, scale: float) -> Setting:
        custom = self._custom(name)
        if custom is not None:
            decay_mult = custom.get('decay_mult', 1)
            scale = scale * custom.get('lr_mult', 1)
        else:
            decay_mult = self._decay_mult(name, parameter, is_norm)
        return Setting(scale, None if self.base_wd is None else self.base_wd * decay_mult)

    def _custom(self, name: str) -> dict | None:
        keys = [key for key in self.paramwise_cfg.get('custom_keys', ()) if key in name]
        # The longest, and of several the first in the alphabet: MMEngine's order.
        return self.paramwise_cfg['custom_keys'][min(keys, key=lambda key: (-len(key), key))] if keys else None

    def _decay_mult(self, name: str, parameter: nn.Parameter, is_norm: bool) -> float:
        rules = dict(norm_decay_mult=is_norm, bias_decay_mult=name.endswith('.bias'),
                     flat_decay_mult=parameter.ndim == 1)
        given = self.paramwise_cfg
        return next((given[key] for key, applies in rules.items() if applies and given.get(key) is not None), 1)

    def _group(self, setting: Setting, members: dict[str, nn.Parameter]) -> dict:
        group = dict(params=list(members.values()), lr=self.base_lr * setting.lr_scale, lr_scale=setting.lr_scale)
        if setting.weight_decay is not None:
            group['weight_decay'] = setting.weight_decay
        return group

    def _validate_cfg(self) -> None:
        given = self.paramwise_cfg
        if not isinstance(given, dict):
            raise UserError(f'optim_wrapper.paramwise_cfg must be a dict, got {given!r}.')
        known = ('layer_decay_rate', 'backbone_lr_mult', 'custom_keys', *DECAY_KEYS)
        unknown = [key for key in given if key not in known]
        if unknown:
            raise UserError(f'optim_wrapper.paramwise_cfg.{unknown[0]}: {type(self).__name__} does not know it. It '
                            f'takes {", ".join(known)}.')
        rate = given.get('layer_decay_rate')
        if not _is_number(rate) or not 0 < rate <= 1:
            raise UserError('optim_wrapper.paramwise_cfg.layer_decay_rate must be a number above 0 and at most 1 '
                            f'(1: all layers learn alike), got {rate!r}.')
        factor = given.get('backbone_lr_mult', 1.)
        if not _is_number(factor) or not 0 < factor < float('inf'):
            raise UserError('optim_wrapper.paramwise_cfg.backbone_lr_mult must be a number above 0 (an encoder that '
                            f'shall not learn has frozen_stages), got {factor!r}.')
        custom_keys = _checked_custom_keys(given.get('custom_keys', {}))
        if self.base_lr is None:
            raise UserError('Layer-wise learning rates need optim_wrapper.optimizer.lr.')
        if self.base_wd is None and (any(key in given for key in DECAY_KEYS)
                                     or any('decay_mult' in custom for custom in custom_keys.values())):
            raise UserError('Factors of the weight decay need optim_wrapper.optimizer.weight_decay.')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _checked_custom_keys(custom_keys: Any) -> dict[str, dict]:
    if not isinstance(custom_keys, dict):
        raise UserError(f'optim_wrapper.paramwise_cfg.custom_keys must be a dict, got {custom_keys!r}.')
    for key, custom in custom_keys.items():
        if not isinstance(custom, dict) or any(name not in CUSTOM_KEYS for name in custom):
            raise UserError(f'optim_wrapper.paramwise_cfg.custom_keys[{key!r}] must be a dict that holds '
                            f'{" or ".join(CUSTOM_KEYS)} and nothing else, got {custom!r}.')
    return custom_keys


def find_encoders(model: nn.Module) -> dict[str, nn.Module]:
    """The parts of a model that know how deep each of their parameters lies.

    Args:
        model (nn.Module): The model, not wrapped.

    Returns:
        dict[str, nn.Module]: Modules with ``get_layer_depth`` by what stands before the names of their parameters.
        Models around a backbone, which only ask that, do not count.

    Raises:
        UserError: There is none.
    """
    encoders = {_prefix(name): module for name, module in model.named_modules()
                if hasattr(module, 'get_layer_depth') and not hasattr(module, 'backbone')}
    if not encoders:
        backbone = type(getattr(model, 'backbone', model)).__name__
        raise UserError(f'No part of the {type(model).__name__} has get_layer_depth, which layer-wise learning rates '
                        f'need; its backbone is {backbone}. Use mmsimmim.SwinTransformer, SwinTransformerV2 or '
                        'VisionTransformer, or leave out optim_wrapper.constructor and layer_decay_rate.')
    return encoders


def _trained_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Name, parameter, and whether a norm holds it; shared ones once for each name."""
    for module_name, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                yield _prefix(module_name) + name, parameter, isinstance(module, NORMS)


def _prefix(module_name: str) -> str:
    return ''.join(f'{part}.' for part in module_name.split('.') if part and part not in WRAPPERS)
