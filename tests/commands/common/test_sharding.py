"""What a config says for every kind of training reaches FSDPStrategy, or is refused."""

import pytest
from mmengine.config import Config
from mmengine.hooks import EMAHook

import mmsimmim.engine
from mmsimmim.commands.common.sharding import settle_sharding
from mmsimmim.errors import UserError


def config(**settings):
    return Config({**dict(runner_type='FlexibleRunner', strategy=dict(type='mmsimmim.FSDPStrategy')), **settings})


@pytest.mark.parametrize('settings', [
    dict(find_unused_parameters=True), dict(model_wrapper_cfg=dict(find_unused_parameters=True)),
    dict(find_unused_parameters=True, strategy=dict(type=mmsimmim.engine.FSDPStrategy))])
def test_unused_parameters_reach_the_strategy(settings):
    cfg = config(**settings)
    settle_sharding(cfg)
    assert cfg.strategy.find_unused_parameters is True
    cfg.find_unused_parameters = False
    with pytest.raises(UserError, match='contradicts strategy'):
        settle_sharding(cfg)


def test_nothing_is_set_where_nothing_is_said():
    cfg = config()
    assert settle_sharding(cfg) == [] and cfg.strategy == dict(type='mmsimmim.FSDPStrategy')


@pytest.mark.parametrize('kind', ['EMAHook', 'mmpretrain.EMAHook', EMAHook])
def test_ema_hooks_are_replaced_by_the_one_that_goes_with_it(kind):
    cfg = config(default_hooks=dict(ema=dict(type=kind, momentum=0.1), timer=None),
                 custom_hooks=[dict(type=kind, priority=49, evaluate_on_ema=True), dict(type='Other')])
    messages = settle_sharding(cfg)
    assert len(messages) == 2 and 'mmsimmim.EMAHook takes the place of' in messages[0]
    assert cfg.default_hooks.ema == dict(type='mmsimmim.EMAHook', momentum=0.1)
    assert cfg.custom_hooks == [dict(type='mmsimmim.EMAHook', priority=49), dict(type='Other')]
    assert settle_sharding(cfg) == []


@pytest.mark.parametrize('settings, message', [
    (dict(custom_hooks=[dict(type='EMAHook', evaluate_on_origin=True)]), 'they alone'),
    (dict(custom_hooks=[dict(type='EMAHook', evaluate_on_ema=False)]), 'they alone'),
    (dict(sync_bn='torch'), 'SyncBN'),
    (dict(activation_checkpointing=['block']), 'with_cp=True')])
def test_what_does_not_go_with_it(settings, message):
    with pytest.raises(UserError, match=message):
        settle_sharding(config(**settings))


def test_a_strategy_that_would_be_ignored():
    cfg = Config(dict(strategy=dict(type='mmsimmim.FSDPStrategy')))
    with pytest.raises(UserError, match="needs runner_type='FlexibleRunner'"):
        settle_sharding(cfg)


@pytest.mark.parametrize('settings', [dict(strategy=None), dict(strategy=dict(type='DDPStrategy')),
                                      dict(runner_type='Runner')])
def test_others_are_left_alone(settings):
    cfg = config(custom_hooks=[dict(type='EMAHook')], find_unused_parameters=True, **settings)
    before = cfg.to_dict()
    assert settle_sharding(cfg) == [] and cfg.to_dict() == before
