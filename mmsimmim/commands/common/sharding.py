"""What a config says for every kind of training, in the terms of FSDPStrategy."""

from typing import Any

from mmengine.config import Config

from ...errors import UserError

# Hooks of MMEngine and mmpretrain by one name, in place of which mmsimmim.EMAHook goes with a sharded model.
EMA_HOOKS = ('EMAHook', 'mmengine.EMAHook', 'mmpretrain.EMAHook')


def settle_sharding(cfg: Config) -> list[str]:
    """Adapt a config with :class:`mmsimmim.FSDPStrategy`; others are left alone.

    ``find_unused_parameters`` and each EMAHook, which MMEngine's ``FlexibleRunner`` ignores or cannot resume, are given
    over to the strategy and :class:`mmsimmim.EMAHook`.

    Args:
        cfg (Config): Changed in place.

    Returns:
        list[str]: Messages for the log.

    Raises:
        UserError: The config asks for something that does not go with the strategy.
    """
    strategy = cfg.get('strategy')
    if not strategy or _name_of(strategy) != 'mmsimmim.FSDPStrategy':
        return []
    if 'runner_type' not in cfg:
        raise UserError("strategy=dict(type='mmsimmim.FSDPStrategy') needs runner_type='FlexibleRunner' in the config; "
                        'without it the strategy would be ignored and nothing sharded.')
    if cfg.runner_type != 'FlexibleRunner':
        return []
    if cfg.get('activation_checkpointing'):
        raise UserError('activation_checkpointing does not go with FSDPStrategy: set model.backbone.with_cp=True in '
                        'its place.')
    if cfg.get('sync_bn'):
        raise UserError("sync_bn does not go with FSDPStrategy: write norm_cfg=dict(type='SyncBN') into the parts of "
                        'the model in its place.')
    _carry_unused_parameters(cfg, strategy)
    return _replace_ema_hooks(cfg)


def _name_of(node: dict) -> str:
    kind = node.get('type')
    return f'{kind.__module__.split(".")[0]}.{kind.__name__}' if isinstance(kind, type) else str(kind)


def _carry_unused_parameters(cfg: Config, strategy: dict) -> None:
    wrapper = cfg.get('model_wrapper_cfg') or {}
    wanted = cfg.get('find_unused_parameters', wrapper.get('find_unused_parameters'))
    if wanted is not None and strategy.setdefault('find_unused_parameters', wanted) != wanted:
        raise UserError(f'find_unused_parameters={wanted} in the config contradicts strategy, where it is '
                        f'{strategy["find_unused_parameters"]}. Leave one of them out.')


def _replace_ema_hooks(cfg: Config) -> list[str]:
    messages = []
    for hook in _hooks(cfg):
        name = _name_of(hook)
        if name not in EMA_HOOKS:
            continue
        if not hook.pop('evaluate_on_ema', True) or hook.pop('evaluate_on_origin', False):
            raise UserError('EMAHook: with FSDPStrategy the averaged weights are evaluated, and they alone. Leave '
                            'evaluate_on_ema and evaluate_on_origin out.')
        messages.append(f'FSDPStrategy: mmsimmim.EMAHook takes the place of {name}, which cannot copy a sharded '
                        'model.')
        hook['type'] = 'mmsimmim.EMAHook'
    return messages


def _hooks(cfg: Config) -> list[Any]:
    hooks = [*(cfg.get('default_hooks') or {}).values(), *(cfg.get('custom_hooks') or [])]
    return [hook for hook in hooks if isinstance(hook, dict)]
