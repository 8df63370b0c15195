"""Scaled learning rates."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import CosineAnnealingLR, LinearLR

from mmsimmim.commands.common.auto_scale_lr import scale_lr
from mmsimmim.errors import UserError


def config(**sections):
    return Config({
        **dict(
            train_dataloader=dict(batch_size=32),
            optim_wrapper=dict(accumulative_counts=2, optimizer=dict(type='SGD', lr=1.0)),
            auto_scale_lr=dict(base_batch_size=2048),
            param_scheduler=[
                dict(type='LinearLR', start_factor=0.1, begin=0, end=2),
                dict(type='CosineAnnealingLR', eta_min=0.2, begin=2, end=10)
            ]),
        **sections
    })


def curve(cfg):
    """The rates of 10 steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=cfg.optim_wrapper.optimizer.lr)
    kinds = dict(LinearLR=LinearLR, CosineAnnealingLR=CosineAnnealingLR)
    schedulers = [kinds[part.type](optimizer, **{key: value for key, value in part.items() if key != 'type'})
                  for part in cfg.param_scheduler]
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return torch.tensor(rates)


def test_the_whole_curve_scales_and_accumulation_counts():
    cfg, expected = config(), curve(config())
    scale_lr(cfg, world_size=4)
    torch.testing.assert_close(curve(cfg), expected * (32 * 4 * 2) / 2048)


def test_messages_say_from_what_to_what():
    messages = '\n'.join(scale_lr(config(), world_size=4))
    assert '32 x 4 processes x 2 accumulated = 256' in messages and 'effective batch size of 2048' in messages
    assert 'optimizer.lr: 1.0 -> 0.125' in messages and 'CosineAnnealingLR.eta_min: 0.2 -> 0.025' in messages


def test_twice_is_once_and_mmengines_own_scaling_is_off():
    cfg = config(auto_scale_lr=dict(base_batch_size=2048, enable=True))
    scale_lr(cfg, world_size=4)
    once = cfg.pretty_text
    scale_lr(cfg, world_size=4)
    assert cfg.pretty_text == once
    assert cfg.auto_scale_lr == dict(enable=False, base_batch_size=256)


def test_ratios_momentum_and_times_stay():
    schedulers = [
        dict(type='mmsimmim.WarmupCosineLR', warmup=10, warmup_ratio=0.1, min_ratio=0.2),
        dict(type='CosineAnnealingLR', eta_min_ratio=0.1, T_max=5),
        dict(type='CosineAnnealingMomentum', eta_min=0.8),
        dict(type='CosineAnnealingParamScheduler', param_name='weight_decay', eta_min=0.3)
    ]
    cfg = config(param_scheduler=schedulers)
    scale_lr(cfg, world_size=1)
    assert cfg.param_scheduler == Config(dict(x=schedulers)).x


def test_other_ways_to_write_schedulers_and_optimizers():
    cfg = config(
        optim_wrapper=dict(generator=dict(optimizer=dict(lr=1.0)), critic=dict(optimizer=dict(lr=2.0))),
        param_scheduler=dict(
            generator=dict(type=CosineAnnealingLR, eta_min=0.5),
            critic=[dict(type='mmengine.ReduceOnPlateauLR', min_value=[0.1, 0.2])]))
    scale_lr(cfg, world_size=32)
    assert [cfg.optim_wrapper[name].optimizer.lr for name in ('generator', 'critic')] == [0.5, 1.0]
    assert cfg.param_scheduler.generator.eta_min == 0.25
    assert cfg.param_scheduler.critic[0].min_value == [0.05, 0.1]


def test_no_scheduler():
    cfg = config(param_scheduler=None)
    scale_lr(cfg, world_size=64)
    assert cfg.optim_wrapper.optimizer.lr == 2.0


@pytest.mark.parametrize('section, name', [
    (dict(auto_scale_lr=None), 'auto_scale_lr.base_batch_size'),
    (dict(train_dataloader=dict(num_workers=1)), 'train_dataloader.batch_size'),
    (dict(optim_wrapper=dict(optimizer=dict(type='Adafactor'))), 'optim_wrapper.optimizer.lr')])
def test_missing_numbers_are_named(section, name):
    with pytest.raises(UserError, match=name):
        scale_lr(config(**section), world_size=1)
