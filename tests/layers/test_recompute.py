"""What is computed once, what again, and that it is the same."""

import importlib.util
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmsimmim.errors import UserError
from mmsimmim.layers import call_block, recompute
from mmsimmim.models.backbones.swin import SwinBlock, SwinTransformer
from tests.recomputing import needs_cheap


class Counted(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def backward(with_cp):
    """Gradients of a shifted block, and the operators of forward and backward pass."""
    torch.manual_seed(0)
    block, x = SwinBlock(8, 2, 4, 2, drop_path=0., bias_resize='geometric'), torch.randn(2, 8, 8, 8)
    x.requires_grad_()
    with Counted() as forward:
        out = call_block(block, with_cp, x)
    with Counted() as backward:
        out.square().sum().backward()
    return [x.grad, *(p.grad for p in block.parameters())], forward.counts, backward.counts


def times(counts, *names):
    return sum(number for name, number in counts.items() if any(name.startswith(wanted) for wanted in names))


@needs_cheap
def test_recomputes_what_it_says():
    (expected, _, kept), (whole, _, all_again), (cheap, _, some_again) = map(backward, (False, True, 'cheap'))
    torch.testing.assert_close(whole, expected, rtol=0, atol=0)
    torch.testing.assert_close(cheap, expected, rtol=0, atol=0)
    products = 'addmm', 'mm', '_scaled_dot_product'
    assert times(some_again, *products) == times(kept, *products) < times(all_again, *products)
    for name in ('native_layer_norm', 'gelu', 'roll'):
        forward_again = times(some_again, name) - times(kept, name)
        assert forward_again == times(all_again, name) - times(kept, name) > 0


@needs_cheap
def test_without_gradients_nothing_is_kept():
    block = SwinBlock(8, 2, 4, 2, drop_path=0., bias_resize='geometric')
    with torch.no_grad():
        torch.testing.assert_close(call_block(block, 'cheap', torch.ones(1, 8, 8, 8)), block(torch.ones(1, 8, 8, 8)))


def test_unknown_way():
    with pytest.raises(ValueError, match="with_cp 'dear'"):
        SwinTransformer('tiny', with_cp='dear')


def test_an_old_pytorch_has_two_ways(monkeypatch):
    """PyTorch 2.4 has no policies; the package is imported there nevertheless."""
    for name in ('CheckpointPolicy', 'create_selective_checkpoint_contexts'):
        monkeypatch.delattr(torch.utils.checkpoint, name, raising=False)
    spec = importlib.util.spec_from_file_location('mmsimmim.layers.recompute_of_old', recompute.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert [module.check_with_cp(way) for way in (False, True)] == [False, True]
    with pytest.raises(UserError, match="'cheap' needs PyTorch 2.5.*Take True"):
        module.check_with_cp('cheap')
