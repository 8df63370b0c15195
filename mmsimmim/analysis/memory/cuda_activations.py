"""A training step on a CPU that saves the activations that a GPU would save."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map_only

from ...layers import attention
from .live_memory import LiveMemory

# What autocast computes in float32 on CUDA and not on CPUs, and large maps go through: by casting what goes in ...
CAST_ON_CUDA = ((F, 'layer_norm'), (F, 'group_norm'), (F, 'interpolate'))
# ... and by asking for a result in float32.
FLOAT32_ON_CUDA = ((F, 'softmax'), (torch, 'softmax'), (Tensor, 'softmax'), (F, 'log_softmax'))

compute_attention = F.scaled_dot_product_attention


@contextmanager
def cuda_activations(memory: LiveMemory) -> Iterator[None]:
    """Let a CPU save for the backward pass what a GPU would save. Two things differ.

    - Attention: with a trained bias, a CPU saves all weights. PyTorch's fused kernels for GPUs save query, key, value,
      output, one float32 per query, and the bias, which is copied if its rows are no multiple of 8; the gradient of the
      bias they make for all images. Other buffers of theirs are small and left out.
      Our encoders fill up heads for them.
    - Autocast: on CUDA, norms and resizing get float32 copies of their inputs and give float32, and softmax gives it.

    Results are those of the CPU, up to rounding. Meanwhile functions of ``torch.nn.functional`` are replaced, in all
    threads.

    Args:
        memory (LiveMemory): What counts, and must not see how the attention is computed here.
    """
    replaced = [(F, 'scaled_dot_product_attention', partial(_attend, memory)), (attention, 'is_on_gpu', lambda _: True)]
    replaced += [(owner, name, _casting(getattr(owner, name))) for owner, name in CAST_ON_CUDA]
    replaced += [(owner, name, _giving_float32(getattr(owner, name))) for owner, name in FLOAT32_ON_CUDA]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    try:
        for owner, name, function in replaced:
            setattr(owner, name, function)
        yield
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


def _casting(function: Callable) -> Callable:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        if torch.is_autocast_enabled('cpu'):
            args, kwargs = tree_map_only(Tensor, _in_float32, (args, kwargs))
        return function(*args, **kwargs)

    return call


def _giving_float32(function: Callable) -> Callable:
    @wraps(function)
    def call(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if torch.is_autocast_enabled('cpu') and _is_half(tensor) and kwargs.get('dtype') is None:
            kwargs['dtype'] = torch.float32
        return function(tensor, *args, **kwargs)

    return call


def _attend(memory: LiveMemory, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
            dropout_p: float = 0., is_causal: bool = False, scale: float | None = None) -> Tensor:
    """Attention without dropout, of which a GPU saves the seed only."""
    device = query.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
        attn_mask = attn_mask if attn_mask is None or attn_mask.dtype == torch.bool else attn_mask.to(dtype)
    if attn_mask is not None:
        attn_mask = _in_rows_of(8, attn_mask).expand(*query.shape[:-1], key.shape[-2])
    return _FusedAttention.apply(query, key, value, attn_mask, is_causal, scale, memory)


class _FusedAttention(torch.autograd.Function):
    """Attention that saves no weights; computed by the CPU's own, unseen by ``memory``."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, is_causal: bool,
                scale: float | None, memory: LiveMemory) -> Tensor:
        """Attend; all tensors (..., L, E), (..., S, E), (..., S, E), (..., L, S)."""
        with memory.paused():
            out = compute_attention(query, key, value, bias, is_causal=is_causal, scale=scale)
        memory.add(out)
        logsumexp = query.new_zeros(*query.shape[:-2], _up(query.shape[-2], 32), dtype=torch.float32)
        ctx.save_for_backward(query, key, value, bias, out, logsumexp)
        ctx.options, ctx.memory = dict(is_causal=is_causal, scale=scale), memory
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients, that of the bias for each image."""
        *inputs, _, _ = ctx.saved_tensors
        with ctx.memory.paused(), torch.enable_grad():
            inputs = [tensor if tensor is None else tensor.detach() for tensor in inputs]
            wanted = [tensor.requires_grad_() for tensor, needed in zip(inputs, ctx.needs_input_grad) if needed]
            out = compute_attention(*inputs, **ctx.options)
            found = iter(torch.autograd.grad(out, wanted, grad))
            grads = [next(found) if needed else None for needed in ctx.needs_input_grad]
            if grads[3] is not None:
                grads[3] = _in_rows_of(16, grads[3])
        for tensor in grads:
            if tensor is not None:
                ctx.memory.add(tensor)
        return tuple(grads)


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _in_rows_of(step: int, tensor: Tensor) -> Tensor:
    """The same numbers, in rows that begin at multiples of ``step``; a copy if they did not."""
    if all(stride % step == 0 for stride in tensor.stride()[:-1]) and tensor.stride(-1) == 1:
        return tensor
    length = tensor.shape[-1]
    return F.pad(tensor, (0, _up(length, step) - length))[..., :length]


def _is_half(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.dtype in (torch.bfloat16, torch.float16)


def _in_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if _is_half(tensor) else tensor
