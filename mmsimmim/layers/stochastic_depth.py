"""Stochastic depth."""

from torch import nn


def stochastic_depth(rate: float) -> nn.Module:
    """The layer that drops a residual branch.

    Args:
        rate (float): Probability to drop it, drawn for each image.

    Returns:
        nn.Module: For branches of any shape (B, ...); the identity at a rate of 0.
    """
    if not rate:
        return nn.Identity()
    # imported late, as it imports all of torchvision, which takes longer than all of mmsimmim
    from torchvision.ops import StochasticDepth
    return StochasticDepth(rate, mode='row')
