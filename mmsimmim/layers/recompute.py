"""Activation checkpointing: activations of a block are recomputed in the backward pass."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import UserError

try:
    from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts
except ImportError:  # PyTorch 2.4, which saves all or nothing of a block
    CheckpointPolicy = None

# False saves all activations, True those between blocks; 'cheap' also saves what is expensive to compute.
WITH_CP = (False, True, 'cheap')
# Matrix products and attention, whatever its kernel.
EXPENSIVE = ('mm', 'addmm', 'bmm', 'baddbmm')
ATTENTION = '_scaled_dot_product'


def check_with_cp(with_cp: bool | str) -> bool | str:
    """``with_cp`` itself; ValueError if it is none of the choices, UserError if PyTorch is too old for it."""
    if with_cp not in WITH_CP:
        raise ValueError(f'with_cp {with_cp!r} is none of {WITH_CP}')
    if with_cp == 'cheap' and CheckpointPolicy is None:
        raise UserError(f"with_cp='cheap' needs PyTorch 2.5, and this is {torch.__version__}. Take True.")
    return with_cp


def call_block(block: nn.Module, with_cp: bool | str, *args: Any) -> Tensor:
    """Call a block, with the activation checkpointing of ``with_cp``.

    Args:
        block (nn.Module): The block.
        with_cp (bool | str): False saves all activations. True saves only the block's arguments, and recomputes it
            in the backward pass: a third more time. ``'cheap'`` saves the outputs of matrix products and
            attention as well, and recomputes only norms, activation functions, sums and copies.
        *args (Any): Arguments of the block.

    Returns:
        Tensor: What the block returns; gradients are the same for all three.
    """
    if not with_cp or not torch.is_grad_enabled():
        return block(*args)
    context = dict(context_fn=_selective_contexts) if with_cp == 'cheap' else {}
    return checkpoint(block, *args, use_reentrant=False, **context)


def _selective_contexts() -> tuple:
    return create_selective_checkpoint_contexts(_policy)


def _policy(context: Any, operator: Any, *args: Any, **kwargs: Any) -> 'CheckpointPolicy':
    name = operator.overloadpacket.__name__
    expensive = name in EXPENSIVE or name.startswith(ATTENTION)
    return CheckpointPolicy.MUST_SAVE if expensive else CheckpointPolicy.PREFER_RECOMPUTE
