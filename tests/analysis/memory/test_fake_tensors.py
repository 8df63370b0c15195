"""Tensors without values: what is left out, what is computed, and that sizes stay."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmsimmim.analysis.memory.fake_tensors import SMALL, FakeTensors, Uninitialised, without_values
from mmsimmim.analysis.memory.live_memory import LiveMemory

SIDE = 150  # SIDE**2 numbers are many


@pytest.fixture
def weight():
    return torch.ones(SIDE, SIDE)


def test_large_results_are_zeros(weight):
    assert SIDE**2 > SMALL
    with FakeTensors([weight]):
        product = weight @ weight
        assert product.shape == (SIDE, SIDE) and product.abs().max() == 0
        assert (product + 1).max() == 0  # and so is what depends on them


def test_small_results_are_computed(weight):
    with FakeTensors([weight]):
        assert weight.sum() == SIDE**2
        assert (2 * weight[:2]).max() == 2
        assert (weight > 0).all()


def test_others_are_computed(weight):
    anchors = torch.full((SIDE, SIDE), 2.)
    with FakeTensors([weight]):
        assert (anchors * anchors).min() == 4


def test_in_place(weight):
    grad = torch.full((SIDE, SIDE), 3.)
    with FakeTensors([weight]):
        grad.add_(weight @ weight)
        assert grad.min() == 3
        assert (grad * 2).max() == 0  # it would depend on the weight now
        small = torch.ones(3)
        small.add_(weight[0, :3])
        assert small.tolist() == [2, 2, 2]


def test_views(weight):
    with FakeTensors([weight]):
        assert weight.t()[:2].unflatten(1, (-1, 10)).shape == (2, 15, 10)
        assert (weight.view(-1) * 2).max() == 0  # of a source, too


def test_shapes_that_depend_on_values(weight):
    with FakeTensors([weight]):
        assert weight[weight > 0].shape == (SIDE**2, )
        assert len((2 * weight).nonzero()) == 0


def test_several_results(weight):
    with FakeTensors([weight]):
        values, places = weight.view(1, 1, SIDE, SIDE).topk(140)
        assert values.shape == places.shape == (1, 1, SIDE, 140) and places.dtype == torch.int64


def test_addresses_do_not_stay(weight):
    """The place of a tensor that is gone may be given to one that must be computed."""
    with FakeTensors([weight]):
        for _ in range(50):
            large = weight * 2
            del large
            assert (torch.full((SIDE, SIDE), 2.) * 2).min() == 4


def peak(fake):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.GroupNorm(8, 64),
        nn.GELU(), nn.Flatten(2), nn.Linear(23**2, 300), nn.LayerNorm(300), nn.Dropout(0.1), nn.Linear(300, 11))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    images, labels = torch.rand(2, 3, 52, 52), torch.randint(11, (2, 64))
    with FakeTensors(network.parameters() if fake else []), LiveMemory() as memory:
        loss = F.cross_entropy(network(images).transpose(1, 2), labels)
        loss.backward()
    return memory.peak, loss.isfinite().item(), network[4].weight.grad.abs().max().item()


def test_memory_is_that_of_the_real_step():
    (real, finite, gradient), (fake, fake_finite, fake_gradient) = peak(False), peak(True)
    assert fake == real > 1e6
    assert finite and fake_finite
    assert gradient > 0 and fake_gradient == 0


def pages_in_memory():
    """Of this process; 0 where the system does not say."""
    statistics = Path('/proc/self/statm')
    return int(statistics.read_text().split()[1]) if statistics.exists() else 0


def test_a_model_without_values():
    """Large weights are neither drawn nor in memory; small ones and buffers are as always."""
    torch.manual_seed(0)
    with Uninitialised():
        without_values(nn.Linear(200, 200))  # imports what it needs
        before = pages_in_memory()
        model = nn.Sequential(nn.Linear(4096, 16384), nn.LayerNorm(8), nn.BatchNorm1d(4))
        table = torch.arange(2. * SMALL)
    model[1].requires_grad_(False)
    model = without_values(model)
    assert 4096 * (pages_in_memory() - before) < 2**26  # weights and gradients of 2**28 bytes each
    weight = model[0].weight
    assert weight.shape == weight.grad.shape == (16384, 4096) and weight.requires_grad
    assert weight[0, :5].tolist() == weight.grad[-1, :5].tolist() == [0] * 5
    assert model[1].weight.tolist() == [1] * 8 and model[1].weight.grad is None
    assert model[2].running_var.tolist() == [1] * 4
    assert table[-1] == 2 * SMALL - 1  # which was not made in place
