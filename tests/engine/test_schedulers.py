"""Schedulers beyond the official curves, which tests/configs covers."""

import pytest
import torch

from mmsimmim.engine import WarmupCosineLR, WarmupMultiStepLR


def optimizer_of(*rates):
    return torch.optim.SGD([dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate) for rate in rates], lr=1.)


def run(scheduler, steps):
    rates = []
    for _ in range(steps):
        rates.append([group['lr'] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def test_all_groups_start_and_end_at_the_same_rate():
    """As in the official fine-tuning with layer-wise decay."""
    scheduler = WarmupCosineLR(optimizer_of(1., 0.25), warmup=4, warmup_ratio=0.01, min_ratio=0.001, end=10,
                               by_epoch=False)
    rates = run(scheduler, 12)
    assert rates[0] == rates[1] == [0.01, 0.01]
    assert rates[3] == pytest.approx([0.01 + 0.99 / 2, 0.01 + 0.24 / 2])
    assert rates[11] == pytest.approx([0.001, 0.001])


def test_cosine_can_begin_after_the_warm_up():
    scheduler = WarmupCosineLR(optimizer_of(1.), warmup=4, warmup_ratio=0., min_ratio=0.1, end=10, by_epoch=False,
                               warmup_prefix=True)
    rates = [rate for (rate, ) in run(scheduler, 13)]
    assert rates[5] == 1 and rates[8] == pytest.approx(0.55) and rates[11:] == pytest.approx([0.1, 0.1])


def test_resumed_schedule_goes_on_where_it_was():
    def make():
        return WarmupMultiStepLR(optimizer_of(1.), warmup=2, warmup_ratio=0.1, milestones=[5, 7], end=10,
                                 by_epoch=False)

    whole = run(make(), 10)
    first = make()
    run(first, 6)
    second = make()
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert run(second, 4) == whole[6:]
    assert whole[5:9] == [[1.], pytest.approx([0.1]), pytest.approx([0.1]), pytest.approx([0.01])]


@pytest.mark.parametrize('kwargs, message', [
    (dict(warmup=4, end=10), 'convert_to_iter_based'),
    (dict(warmup=11, end=10, by_epoch=False), 'param_scheduler.warmup: 11 iterations .* 10')])
def test_what_cannot_be_scheduled_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        WarmupCosineLR(optimizer_of(1.), warmup_ratio=0.1, min_ratio=0.1, **kwargs)
