"""Bytes of living tensors, against counts by hand."""

import torch
from torch import nn

from mmsimmim.analysis.memory.live_memory import LiveMemory

N = 4 * 1000  # bytes of 1000 float32


def test_tensors_come_and_go():
    with LiveMemory() as memory:
        one = torch.zeros(1000)
        two = one.exp()
        assert memory.live == 2 * N
        del one
        assert memory.live == N
        half = two.to(torch.bfloat16)
        assert memory.live == N + N // 2
        del two, half
    assert memory.live == 0 and memory.peak == 2 * N


def test_views_share_and_hold():
    with LiveMemory() as memory:
        whole = torch.zeros(10, 100)
        row = whole[3].view(10, 10).t()
        assert memory.live == N
        del whole
        assert memory.live == N
        row.add_(1)
        assert memory.live == memory.peak == N
        del row
        assert memory.live == 0


def test_what_was_there_does_not_count():
    before = torch.zeros(1000)
    with LiveMemory() as memory:
        before.add_(1)
        assert before.view(10, 100).t().sum() == 1000
        assert memory.live == 0  # the sum is gone
    before.exp()
    assert memory.peak <= 16


def test_step_by_hand():
    """Two exponentials keep their results; each gradient lives beside what is still kept, or beside the one before."""
    weight = nn.Parameter(torch.zeros(1000))
    weight.grad = torch.zeros(1000)
    with LiveMemory() as memory:
        loss = weight.exp().exp().sum()
        assert memory.live == 2 * N + 4
        loss.backward()
        assert memory.live == 4
    assert memory.peak == 3 * N + 4 + 4  # the loss and its gradient
    assert torch.allclose(weight.grad, torch.full((1000, ), torch.e))


def test_network_by_hand():
    """16 vectors through 100 -> 200 -> 50: kept are the input, which was there, and what the second layer gets."""
    network = nn.Sequential(nn.Linear(100, 200, bias=False), nn.ReLU(), nn.Linear(200, 50, bias=False))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    images = torch.randn(16, 100)
    with LiveMemory() as memory:
        loss = network(images).sum()
        assert memory.live == 4 * 16 * 200 + 4
        assert memory.peak == 2 * 4 * 16 * 200  # before and after ReLU
        loss.backward()
    # the first layer's gradient, beside the gradients of what came out of ReLU and out of the layer
    assert memory.peak <= 4 * (200 * 100 + 2 * 16 * 200 + 2)
    assert memory.peak >= 4 * (200 * 100 + 16 * 200)


def test_pause():
    with LiveMemory() as memory:
        with memory.paused():
            kept, unknown = torch.zeros(1000), torch.zeros(1000)
        assert memory.live == 0
        memory.add(kept)
        memory.add(kept)
        assert memory.live == N
        unknown.add_(1)
        del kept, unknown
    assert memory.live == 0
