"""Sigmoid focal loss, against a reference written here in plain float64 loops."""

import math

import numpy as np
import pytest
import torch

from tests.compat.mmcv_ops.stand_in import double, ops


def reference_focal(logits, target, gamma, alpha, weight=None):
    """Loss and its derivative by the logit, element by element."""
    loss, slope = np.zeros_like(logits), np.zeros_like(logits)
    for n, c in np.ndindex(*logits.shape):
        p = 1 / (1 + math.exp(-logits[n, c]))
        factor = 1.0 if weight is None else weight[target[n]]
        if target[n] == c:
            loss[n, c] = -factor * alpha * (1 - p) ** gamma * math.log(p)
            slope[n, c] = factor * alpha * (1 - p) ** gamma * (gamma * p * math.log(p) - (1 - p))
        else:
            loss[n, c] = -factor * (1 - alpha) * p**gamma * math.log(1 - p)
            slope[n, c] = factor * (1 - alpha) * p**gamma * (p - gamma * (1 - p) * math.log(1 - p))
    return loss, slope


@pytest.mark.parametrize('gamma, alpha', [(2.0, 0.25), (0.0, 0.5), (1.5, 0.8)])
@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss_equals_reference(gamma, alpha, weighted):
    random = np.random.default_rng(6)
    logits = random.standard_normal((7, 3)) * 3
    target = np.array([0, 2, 1, 1, 0, 2, 2] if weighted else [0, 2, 3, 1, 3, 0, 2])  # 3 is the background
    weight = np.array([0.5, 2.0, 1.25]) if weighted else None
    leaf = double(logits).requires_grad_()
    loss = ops.sigmoid_focal_loss(
        leaf, torch.from_numpy(target), gamma, alpha, double(weight) if weighted else None, 'none'
    )
    loss.sum().backward()
    expected, slope = reference_focal(logits, target, gamma, alpha, weight)
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(leaf.grad.numpy(), slope, rtol=1e-9)


def test_sigmoid_focal_loss_is_finite_for_large_logits():
    leaf = torch.tensor([[300.0, -300.0], [-300.0, 300.0]], requires_grad=True)
    loss = ops.sigmoid_focal_loss(leaf, torch.tensor([1, 2]), 2.0, 0.25, None, 'none')
    loss.sum().backward()
    np.testing.assert_allclose(loss.detach().numpy(), [[225.0, 75.0], [0.0, 225.0]], rtol=1e-6)
    assert torch.isfinite(leaf.grad).all()
