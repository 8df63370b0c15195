"""Fault: mmcv's compiled operators exist for no current PyTorch unless one compiles them.

``mmcv-lite`` ships the Python side of ``mmcv.ops`` without the extension ``mmcv._ext``, so ``import mmcv.ops`` fails,
and with it the models of mmdet and mmseg. Prebuilt wheels of full mmcv below 2.2, which is mmdet's limit, are for older
PyTorch only.

Repair: where there is no ``mmcv._ext``, :mod:`.mmcv_extension` puts this file in its place. Operators with an exact
counterpart in torchvision or PyTorch run on that: NMS, RoIAlign (average), deformable convolution with and without
modulation, multi-scale deformable attention, sigmoid focal loss; soft-NMS is written out. Every other operator
resolves, as mmcv's import demands, and raises when it is called. Where the real extension is installed, nothing
happens.

All functions take what mmcv's Python side passes and, like the compiled ones, write into the tensors it allocated.
Half and bfloat16 tensors are computed in float32 and rounded once at the end.
"""

from types import ModuleType

import torch
import torch.nn.functional as F

EXTENSION = 'mmcv._ext'
CURE = (
    "pip uninstall -y mmcv-lite && pip install --no-build-isolation --no-binary mmcv 'mmcv==2.1.0' "
    '(needs a C++ compiler, and nvcc for a GPU; it takes a while)'
)


class UnsupportedOpError(NotImplementedError):
    """An operator of mmcv was called that exists in compiled form only."""


def fill(module: ModuleType) -> None:
    """Make a new module what ``import mmcv._ext`` gives."""
    for function in SUPPORTED:
        setattr(module, function.__name__, function)
    module.__doc__ = __doc__
    module.__getattr__ = _missing_op


def _missing_op(name: str):
    if name.startswith('__'):
        raise AttributeError(f'module {EXTENSION!r} has no attribute {name!r}')

    def op(*args, **kwargs):
        raise unsupported(name)

    op.__name__ = op.__qualname__ = name
    return op


def unsupported(what: str) -> UnsupportedOpError:
    """The error for an operator, or for one mode of it, that has no counterpart here."""
    return UnsupportedOpError(
        f'the operator {what!r} of mmcv needs its compiled extension, which is not installed, and neither PyTorch nor '
        f'torchvision has an exact counterpart. Install full mmcv: {CURE}'
    )


def get_compiler_version() -> str:
    """What environment reports print for mmcv's compiler."""
    return 'n/a'


def get_compiling_cuda_version() -> str:
    """What environment reports print for mmcv's CUDA compiler."""
    return 'n/a'


def _compute_dtype(*tensors: torch.Tensor) -> torch.dtype:
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


# --- Non-maximum suppression ---


def nms(bboxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    """Greedy NMS: of boxes that overlap by more than the threshold, the one of highest score stays.

    Args:
        bboxes (Tensor): Boxes (x1, y1, x2, y2), shape (N, 4).
        scores (Tensor): Shape (N,).
        iou_threshold (float): A box is dropped if its IoU with a kept one is larger.
        offset (int): 0, or 1 where coordinates are inclusive and a width is ``x2 - x1 + 1``.

    Returns:
        Tensor: int64 indices of the kept boxes by falling score; of equal scores the first comes first.
    """
    from torchvision.ops import nms as torchvision_nms

    dtype = _compute_dtype(bboxes, scores)
    bboxes, scores = bboxes.detach().to(dtype), scores.detach().to(dtype)
    # Moving the lower right corner by one gives intersections and areas the inclusive widths.
    inclusive = bboxes + bboxes.new_tensor([0, 0, offset, offset])
    return torchvision_nms(inclusive, scores, iou_threshold)


def softnms(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    dets: torch.Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> torch.Tensor:
    """Soft-NMS: overlapping boxes lose score instead of being dropped.

    Args:
        boxes (Tensor): Boxes (x1, y1, x2, y2), shape (N, 4).
        scores (Tensor): Shape (N,).
        dets (Tensor): Receives the kept boxes with their lowered scores in its first rows, shape (N, 5).
        iou_threshold (float): From this IoU on, methods 0 and 1 act.
        sigma (float): Width of the Gaussian of method 2.
        min_score (float): A box whose lowered score falls below it is dropped.
        method (int): 0 drops, 1 multiplies by ``1 - IoU``, 2 by ``exp(-IoU^2 / sigma)``.
        offset (int): 0, or 1 where coordinates are inclusive.

    Returns:
        Tensor: int64 indices of the kept boxes in the order of ``dets``. Equal scores keep the order of the input.
    """
    corners = boxes.detach() + boxes.new_tensor([0, 0, offset, offset])
    scores = scores.detach().clone()
    alive = torch.arange(len(boxes), device=boxes.device)
    kept, kept_scores = [], []
    while len(alive) > 0:
        best = scores[alive].argmax()
        winner = alive[best]
        kept.append(winner)
        kept_scores.append(scores[winner])
        alive = torch.cat([alive[:best], alive[best + 1 :]])
        overlap = _iou_with_one(corners[winner], corners[alive])
        scores[alive] *= _soft_nms_weight(overlap, iou_threshold, sigma, method)
        alive = alive[scores[alive] >= min_score]
    if not kept:
        return alive
    indices = torch.stack(kept)
    dets[: len(indices)] = torch.cat([boxes[indices], torch.stack(kept_scores)[:, None]], dim=1)
    return indices


def _iou_with_one(box: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    upper_left = torch.maximum(box[:2], others[:, :2])
    lower_right = torch.minimum(box[2:], others[:, 2:])
    intersection = (lower_right - upper_left).clamp(min=0).prod(dim=1)
    area = (box[2:] - box[:2]).prod()
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1)
    return intersection / (area + areas - intersection)


def _soft_nms_weight(overlap: torch.Tensor, iou_threshold: float, sigma: float, method: int) -> torch.Tensor:
    if method == 2:
        return torch.exp(-overlap.square() / sigma)
    lowered = torch.zeros_like(overlap) if method == 0 else 1 - overlap
    return torch.where(overlap >= iou_threshold, lowered, torch.ones_like(overlap))


# --- RoIAlign ---


def roi_align_forward(
    input: torch.Tensor,
    rois: torch.Tensor,
    output: torch.Tensor,
    argmax_y: torch.Tensor,
    argmax_x: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Average of bilinear samples in each bin of each region.

    Args:
        input (Tensor): Feature map, shape (B, C, H, W).
        rois (Tensor): (image index, x1, y1, x2, y2), shape (N, 5).
        output (Tensor): Receives the result, shape (N, C, aligned_height, aligned_width).
        argmax_y (Tensor): Unused with average pooling.
        argmax_x (Tensor): Unused with average pooling.
        aligned_height (int): Bins per column.
        aligned_width (int): Bins per row.
        spatial_scale (float): Size of the feature map relative to the coordinates of ``rois``.
        sampling_ratio (int): Samples per bin and axis; 0 for one per pixel.
        pool_mode (int): 1 for average; 0, maximum, is not supported.
        aligned (bool): Whether pixel centres lie at half coordinates.

    Raises:
        UnsupportedOpError: For maximum pooling.
    """
    from torchvision.ops import roi_align

    _require_average(pool_mode)
    dtype = _compute_dtype(input)
    pooled = roi_align(
        input.to(dtype),
        rois.to(dtype),
        (aligned_height, aligned_width),
        spatial_scale,
        sampling_ratio,
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: torch.Tensor,
    rois: torch.Tensor,
    argmax_y: torch.Tensor,
    argmax_x: torch.Tensor,
    grad_input: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`roi_align_forward`, written into ``grad_input`` of shape (B, C, H, W).

    Raises:
        UnsupportedOpError: For maximum pooling.
    """
    import torchvision  # noqa: F401  registers the kernel

    _require_average(pool_mode)
    dtype = _compute_dtype(grad_output)
    gradient = torch.ops.torchvision._roi_align_backward(
        grad_output.to(dtype),
        rois.to(dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(gradient)


def _require_average(pool_mode: int) -> None:
    if pool_mode != 1:
        raise unsupported("roi_align with pool_mode='max'")


# --- Deformable convolution ---


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

    dtype = _compute_dtype(input)
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


# --- Multi-scale deformable attention ---


def ms_deform_attn_forward(
    value: torch.Tensor,
    value_spatial_shapes: torch.Tensor,
    value_level_start_index: torch.Tensor,
    sampling_locations: torch.Tensor,
    attention_weights: torch.Tensor,
    im2col_step: int,
) -> torch.Tensor:
    """Weighted sum of bilinear samples from several feature maps.

    Args:
        value (Tensor): Flattened maps, shape (B, sum of H * W, heads, D).
        value_spatial_shapes (Tensor): (H, W) of each map, shape (L, 2).
        value_level_start_index (Tensor): Unused: it follows from the shapes.
        sampling_locations (Tensor): (x, y) in [0, 1], shape (B, Q, heads, L, P, 2).
        attention_weights (Tensor): Shape (B, Q, heads, L, P).
        im2col_step (int): Unused: it concerns the memory of the compiled kernel.

    Returns:
        Tensor: Shape (B, Q, heads * D), type of ``value``.
    """
    return _sample_maps(value, value_spatial_shapes, sampling_locations, attention_weights).to(value.dtype)


def ms_deform_attn_backward(
    value: torch.Tensor,
    value_spatial_shapes: torch.Tensor,
    value_level_start_index: torch.Tensor,
    sampling_locations: torch.Tensor,
    attention_weights: torch.Tensor,
    grad_output: torch.Tensor,
    grad_value: torch.Tensor,
    grad_sampling_loc: torch.Tensor,
    grad_attn_weight: torch.Tensor,
    im2col_step: int,
) -> None:
    """Gradients of :func:`ms_deform_attn_forward`, written into the ``grad_*`` tensors."""
    leaves = [tensor.detach().requires_grad_() for tensor in (value, sampling_locations, attention_weights)]
    with torch.enable_grad():
        result = _sample_maps(leaves[0], value_spatial_shapes, leaves[1], leaves[2])
    gradients = torch.autograd.grad(result, leaves, grad_output.to(result.dtype))
    for target, gradient in zip((grad_value, grad_sampling_loc, grad_attn_weight), gradients):
        target.copy_(gradient)


def _sample_maps(value, shapes, locations, weights) -> torch.Tensor:
    dtype = _compute_dtype(value)
    batch, _, heads, channels = value.shape
    queries, levels, points = locations.shape[1], locations.shape[3], locations.shape[4]
    # grid_sample takes batch and heads as one axis and coordinates in [-1, 1].
    grids = (2 * locations.to(dtype) - 1).transpose(1, 2).flatten(0, 1)
    maps = value.to(dtype).transpose(1, 2).flatten(0, 1).transpose(1, 2)
    samples, start = [], 0
    for level, (height, width) in enumerate(shapes.tolist()):
        level_map = maps[:, :, start : start + height * width].reshape(-1, channels, height, width)
        samples.append(F.grid_sample(level_map, grids[:, :, level], align_corners=False))
        start += height * width
    weights = weights.to(dtype).transpose(1, 2).reshape(batch * heads, 1, queries, levels * points)
    attended = (torch.cat(samples, dim=-1) * weights).sum(dim=-1)
    return attended.view(batch, heads * channels, queries).transpose(1, 2).contiguous()


# --- Sigmoid focal loss ---


def sigmoid_focal_loss_forward(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    output: torch.Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Focal loss of each class as a yes-or-no question, written into ``output``.

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
    logits = input.to(_compute_dtype(input))
    classes = torch.arange(logits.shape[1], device=target.device)
    positive = target[:, None] == classes
    # Of a positive the probability of "yes" counts, of a negative that of "no", which is the one of the negated logit.
    signed = torch.where(positive, logits, -logits)
    factor = torch.full_like(logits, 1 - alpha).masked_fill(positive, alpha)
    loss = -factor * torch.sigmoid(-signed) ** gamma * F.logsigmoid(signed)
    return loss * weight.to(loss)[target][:, None] if weight.numel() else loss


SUPPORTED = (
    get_compiler_version,
    get_compiling_cuda_version,
    nms,
    softnms,
    roi_align_forward,
    roi_align_backward,
    deform_conv_forward,
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    modulated_deform_conv_forward,
    modulated_deform_conv_backward,
    ms_deform_attn_forward,
    ms_deform_attn_backward,
    sigmoid_focal_loss_forward,
    sigmoid_focal_loss_backward,
)
