"""Sigmoid focal loss, by PyTorch's ``logsigmoid``."""

import torch
import torch.nn.functional as F

from mmsimmim.compat.mmcv_ops.common import compute_dtype


def sigmoid_focal_loss_forward(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    output: torch.Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Binary focal loss of each class, written into ``output``.

    Args:
        input (Tensor): Logits, shape (N, C).
        target (Tensor): int64 class of each row, shape (N,); C stands for background, which is no class.
        weight (Tensor): Factor of each row by its class, shape (C,), or empty.
        output (Tensor): Receives the loss, shape (N, C).
        gamma (float): Exponent that plays down what is already classified well.
        alpha (float): Weight of the positive answers; the negative ones get ``1 - alpha``.
    """
    output.copy_(_sigmoid_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    grad_input: torch.Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each element of the loss by its own logit, written into ``grad_input``, shape (N, C)."""
    logits = input.detach().requires_grad_()
    with torch.enable_grad():
        total = _sigmoid_focal_loss(logits, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(total, logits)[0])


def _sigmoid_focal_loss(input, target, weight, gamma: float, alpha: float) -> torch.Tensor:
    logits = input.to(compute_dtype(input))
    classes = torch.arange(logits.shape[1], device=target.device)
    positive = target[:, None] == classes
    # The probability of a negative is that of the negated logit.
    signed = torch.where(positive, logits, -logits)
    factor = torch.full_like(logits, 1 - alpha).masked_fill(positive, alpha)
    loss = -factor * torch.sigmoid(-signed) ** gamma * F.logsigmoid(signed)
    return loss * weight.to(loss)[target][:, None] if weight.numel() else loss
