"""Multinomial logistic regression on frozen features."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class LinearProbe:
    """A linear classifier of standardised features.

    Args:
        mean (Tensor): Of the training features, shape (C, ).
        scale (Tensor): Their standard deviation, shape (C, ), 1 where a feature is constant.
        weight (Tensor): Shape (classes, C).
        bias (Tensor): Shape (classes, ).
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Features (M, C) to logits (M, classes)."""
        return F.linear((features - self.mean) / self.scale, self.weight, self.bias)

    def classify(self, features: Tensor) -> Tensor:
        """Features (M, C) to labels, int64, shape (M, )."""
        return self.logits(features).argmax(dim=1)


def fit_linear_probe(features: Tensor,
                     labels: Tensor,
                     num_classes: int,
                     weight_decay: float = 1e-3,
                     max_iter: int = 300) -> LinearProbe:
    """Fit a linear classifier to features: the one optimum, found by L-BFGS from zero, without any random draw.

    It minimises the mean cross-entropy + ``weight_decay`` / 2 * |weight|^2 over features that are shifted and scaled to
    mean 0 and standard deviation 1, so that the decay weighs all of them alike. The bias does not decay.

    Args:
        features (Tensor): Shape (N, C), floating point; the fit happens on their device, in their dtype.
        labels (Tensor): int64, shape (N, ), in 0 .. num_classes - 1.
        num_classes (int): Number of classes.
        weight_decay (float): Above 0, or separable data would have no optimum. Defaults to 1e-3.
        max_iter (int): Iterations of L-BFGS at most. Defaults to 300.

    Returns:
        LinearProbe: The classifier.

    Raises:
        ValueError: If the decay is not above 0, or a feature is not finite.
    """
    if not weight_decay > 0:
        raise ValueError(f'weight_decay must be above 0, got {weight_decay}')
    if not features.isfinite().all():
        raise ValueError('features are not finite: the training that made them has diverged')
    features = features.detach()
    mean, scale = features.mean(dim=0), features.std(dim=0, unbiased=False)
    # A constant feature differs from its mean by rounding errors, which must not be scaled to a deviation of 1.
    noise = 10 * torch.finfo(features.dtype).eps * features.abs().amax(dim=0)
    scale = torch.where(scale > noise, scale, torch.ones_like(scale))
    probe = LinearProbe(
        mean, scale, features.new_zeros(num_classes, features.shape[1]), features.new_zeros(num_classes))
    _minimise(probe, (features - mean) / scale, labels, weight_decay, max_iter)
    return probe


@torch.enable_grad()
def _minimise(probe: LinearProbe, inputs: Tensor, labels: Tensor, weight_decay: float, max_iter: int) -> None:
    parameters = [probe.weight.requires_grad_(), probe.bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=max_iter, history_size=20, tolerance_grad=1e-7, tolerance_change=1e-12,
        line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(inputs, *parameters), labels)
        loss = loss + weight_decay / 2 * probe.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    for parameter in parameters:
        parameter.grad = None
        parameter.requires_grad_(False)
