"""Deformable convolution, versions 1 and 2, by torchvision."""

import torch

from mmsimmim.compat.mmcv_ops.common import compute_dtype


def deform_conv_forward(
    input, weight, offset, output, columns, ones, kW, kH, dW, dH, padW, padH, dilationW, dilationH, group,
    deformable_group, im2col_step,
) -> None:
    """Deformable convolution, version 1, written into ``output``; the arguments are those of mmcv's kernel."""
    geometry = dict(stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW))
    output.copy_(_deform_conv(input, offset, weight, None, None, geometry))


def deform_conv_backward_input(
    input, offset, grad_output, grad_input, grad_offset, weight, columns, kW, kH, dW, dH, padW, padH, dilationW,
    dilationH, group, deformable_group, im2col_step,
) -> None:
    """Gradients for the input and the offsets, written into ``grad_input`` and ``grad_offset``."""
    geometry = dict(stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW))
    gradients = _deform_conv_gradients(grad_output, [input, offset], [weight], geometry)
    grad_input.copy_(gradients[0])
    grad_offset.copy_(gradients[1])


def deform_conv_backward_parameters(
    input, offset, grad_output, grad_weight, columns, ones, kW, kH, dW, dH, padW, padH, dilationW, dilationH, group,
    deformable_group, scale, im2col_step,
) -> None:
    """Gradient for the kernel, times ``scale``, written into ``grad_weight``."""
    geometry = dict(stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW))
    weight = torch.zeros_like(grad_weight)  # the operator is linear in it, so its value does not matter
    leaves = [input.detach(), offset.detach(), weight.requires_grad_()]
    with torch.enable_grad():
        result = _deform_conv(*leaves, None, None, geometry)
    grad_weight.copy_(scale * torch.autograd.grad(result, leaves[2], grad_output.to(result.dtype))[0])


def modulated_deform_conv_forward(
    input, weight, bias, ones, offset, mask, output, columns, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w,
    dilation_h, dilation_w, group, deformable_group, with_bias,
) -> None:
    """Deformable convolution, version 2, written into ``output``; the arguments are those of mmcv's kernel."""
    geometry = dict(stride=(stride_h, stride_w), padding=(pad_h, pad_w), dilation=(dilation_h, dilation_w))
    output.copy_(_deform_conv(input, offset, weight, mask, bias if with_bias else None, geometry))


def modulated_deform_conv_backward(
    input, weight, bias, ones, offset, mask, columns, grad_input, grad_weight, grad_bias, grad_offset, grad_mask,
    grad_output, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group,
    deformable_group, with_bias,
) -> None:
    """All gradients of the modulated form, written into the ``grad_*`` tensors."""
    geometry = dict(stride=(stride_h, stride_w), padding=(pad_h, pad_w), dilation=(dilation_h, dilation_w))
    tensors = [input, offset, weight, mask] + ([bias] if with_bias else [])
    targets = [grad_input, grad_offset, grad_weight, grad_mask] + ([grad_bias] if with_bias else [])
    for target, gradient in zip(targets, _deform_conv_gradients(grad_output, tensors, [], geometry)):
        target.copy_(gradient)


def _deform_conv(input, offset, weight, mask, bias, geometry: dict) -> torch.Tensor:
    from torchvision.ops import deform_conv2d

    dtype = compute_dtype(input)
    mask = None if mask is None else mask.to(dtype)
    bias = None if bias is None else bias.to(dtype)
    return deform_conv2d(input.to(dtype), offset.to(dtype), weight.to(dtype), bias=bias, mask=mask, **geometry)


def _deform_conv_gradients(grad_output, leaves: list, constants: list, geometry: dict) -> tuple[torch.Tensor, ...]:
    """Gradients for ``leaves``; leaves and constants together are (input, offset, weight[, mask[, bias]])."""
    leaves = [tensor.detach().requires_grad_() for tensor in leaves]
    arguments = leaves + constants
    arguments += [None] * (5 - len(arguments))
    with torch.enable_grad():
        result = _deform_conv(*arguments, geometry)
    return torch.autograd.grad(result, leaves, grad_output.to(result.dtype))
