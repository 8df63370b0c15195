"""Deformable convolution, versions 1 and 2, by torchvision."""

import math

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
    """Deformable convolution, version 2, written into ``output``; the arguments are those of mmcv's kernel.

    Offset maps and masks may be larger than the output, as in mmdet's DyHead: the first numbers of each image in
    memory are read as maps of the output's size, as mmcv's kernel does.

    Raises:
        ValueError: If the maps are smaller than the output.
    """
    geometry = dict(stride=(stride_h, stride_w), padding=(pad_h, pad_w), dilation=(dilation_h, dilation_w))
    output.copy_(_deform_conv(input, offset, weight, mask, bias if with_bias else None, geometry))


def modulated_deform_conv_backward(
    input, weight, bias, ones, offset, mask, columns, grad_input, grad_weight, grad_bias, grad_offset, grad_mask,
    grad_output, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group,
    deformable_group, with_bias,
) -> None:
    """All gradients of the modulated form, written into the ``grad_*`` tensors; 0 for offsets and masks not read."""
    geometry = dict(stride=(stride_h, stride_w), padding=(pad_h, pad_w), dilation=(dilation_h, dilation_w))
    tensors = [input, offset, weight, mask] + ([bias] if with_bias else [])
    targets = [grad_input, grad_offset, grad_weight, grad_mask] + ([grad_bias] if with_bias else [])
    for target, gradient in zip(targets, _deform_conv_gradients(grad_output, tensors, [], geometry)):
        target.copy_(gradient)


def _deform_conv(input, offset, weight, mask, bias, geometry: dict) -> torch.Tensor:
    from torchvision.ops import deform_conv2d

    dtype = compute_dtype(input)
    if mask is not None:
        size = _output_size(input, weight, geometry)
        offset, mask = _first_numbers(offset, size), _first_numbers(mask, size)
    mask = None if mask is None else mask.to(dtype)
    bias = None if bias is None else bias.to(dtype)
    return deform_conv2d(input.to(dtype), offset.to(dtype), weight.to(dtype), bias=bias, mask=mask, **geometry)


def _output_size(input, weight, geometry: dict) -> tuple[int, ...]:
    return tuple(
        (side + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
        for side, taps, stride, padding, dilation in zip(input.shape[2:], weight.shape[2:], *geometry.values())
    )


def _first_numbers(maps: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """The first numbers of each image as maps of another size; the maps themselves if they have it."""
    batch, channels = maps.shape[:2]
    if maps.shape[2:] == size:
        return maps
    needed = channels * math.prod(size)
    if maps.shape[1:].numel() < needed:
        raise ValueError(
            f'modulated deformable convolution: offsets and masks of {tuple(maps.shape[2:])} pixels are too few for an '
            f'output of {size}'
        )
    return maps.flatten(1)[:, :needed].reshape(batch, channels, *size)


def _deform_conv_gradients(grad_output, leaves: list, constants: list, geometry: dict) -> tuple[torch.Tensor, ...]:
    """Gradients for ``leaves``; leaves and constants together are (input, offset, weight[, mask[, bias]])."""
    leaves = [tensor.detach().requires_grad_() for tensor in leaves]
    arguments = leaves + constants
    arguments += [None] * (5 - len(arguments))
    with torch.enable_grad():
        arguments[1] = _fixed_beyond_the_edge(*arguments[:3], geometry)
        result = _deform_conv(*arguments, geometry)
    return torch.autograd.grad(result, leaves, grad_output.to(result.dtype))


def _fixed_beyond_the_edge(input, offset, weight, geometry: dict) -> torch.Tensor:
    """Offsets without a gradient where a sample lies one pixel outside the map, or further.

    A sample one pixel outside is 0, and changes as soon as it moves inwards. torchvision uses this derivative,
    mmcv 0. The taps in the padding lie there as long as offsets are 0, as they are when a training starts.
    """
    size = _output_size(input, weight, geometry)
    read = _first_numbers(offset, size)
    taps = read.detach().unflatten(1, (-1, *weight.shape[2:], 2))
    inside = torch.ones_like(taps[:, :, :, :, 0], dtype=torch.bool)
    for axis, (stride, padding, dilation) in enumerate(zip(*geometry.values())):
        corners = stride * torch.arange(size[axis], device=read.device) - padding
        steps = dilation * torch.arange(weight.shape[2 + axis], device=read.device)
        # (kernel, output) of this axis, within (kernel height, kernel width, output height, output width)
        shape = [1, 1, 1, 1]
        shape[axis], shape[2 + axis] = len(steps), len(corners)
        starts = (steps[:, None] + corners).view(shape)
        inside &= starts + taps[:, :, :, :, axis].to(compute_dtype(input)) > -1
    inside = inside.unsqueeze(4).expand_as(taps).reshape(read.shape)
    return torch.where(inside, read, read.detach())
