"""An optimizer has one summary in the log, and no line for each parameter."""

from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

import mmsimmim  # noqa: F401


def log_of(tmp_path, monkeypatch, model, level='INFO', **kwargs):
    logger = MMLogger(f'groups_{tmp_path.name}_{level}', log_file=str(tmp_path / 'run.log'), log_level=level)
    monkeypatch.setattr(MMLogger, '_instance_dict', {logger.instance_name: logger})
    build_optim_wrapper(model, dict(optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.05), **kwargs))
    return (tmp_path / 'run.log').read_text()


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 3), nn.Linear(3, 1))


PARAMWISE = dict(flat_decay_mult=0., custom_keys={'3.': dict(lr_mult=0.1)})


def test_one_line_for_each_rate(tmp_path, monkeypatch):
    model = network()
    model[2].requires_grad_(False)
    header, *lines = log_of(tmp_path, monkeypatch, model, paramwise_cfg=PARAMWISE).splitlines()
    assert header.endswith('INFO - Parameters of AdamW, by learning rate and weight decay:')
    assert lines == ['  lr 0.001 (0.1 of the full rate): 2 with weight decay 0.05 (3.weight, ...)',
                     '  lr 0.01: 1 with weight decay 0.05 (0.weight), 3 with weight decay 0 (0.bias, ...)',
                     '  frozen, not trained: 2 (2.weight, ...)']


def test_alike_parameters_have_a_summary_too(tmp_path, monkeypatch):
    lines = log_of(tmp_path, monkeypatch, network()).splitlines()
    assert lines[1:] == ['  lr 0.01: 8 with weight decay 0.05 (0.weight, ...)']


def test_all_of_it_is_at_debug_level(tmp_path, monkeypatch):
    model = network()
    model[2].requires_grad_(False)
    text = log_of(tmp_path, monkeypatch, model, 'DEBUG', paramwise_cfg=PARAMWISE)
    assert 'paramwise_options -- 0.bias:weight_decay=0.0' in text and '2.weight is skipped since' in text


def test_optimizers_without_weight_decay(tmp_path, monkeypatch):
    text = log_of(tmp_path, monkeypatch, network(), paramwise_cfg=dict(custom_keys={'0.': dict(lr_mult=2)}))
    assert '  lr 0.02 (2 of the full rate): 2 with weight decay 0.05 (0.weight, ...)' in text
