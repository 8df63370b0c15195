"""Stochastic depth."""

from torch import nn


def stochastic_depth(rate: float) -> nn.Module:
    """What drops a branch.

    Args:
        rate (float): Probability to drop it, for each image anew.

    Returns:
        nn.Module: For branches of any shape (B, ...); the identity at a rate of 0.
    """
    if not rate:
        return nn.Identity()
    # as late as this, because it brings along all of torchvision, which takes longer than all of mmsimmim
    from torchvision.ops import StochasticDepth
    return StochasticDepth(rate, mode='row')
