"""Multi-scale deformable attention, by ``grid_sample``."""

import torch
import torch.nn.functional as F

from mmsimmim.compat.mmcv_ops.common import compute_dtype


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
        locations = _fixed_beyond_the_edge(leaves[1], value_spatial_shapes)
        result = _sample_maps(leaves[0], value_spatial_shapes, locations, leaves[2])
    gradients = torch.autograd.grad(result, leaves, grad_output.to(result.dtype))
    for target, gradient in zip((grad_value, grad_sampling_loc, grad_attn_weight), gradients):
        target.copy_(gradient)


def _sample_maps(value, shapes, locations, weights) -> torch.Tensor:
    dtype = compute_dtype(value)
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


def _fixed_beyond_the_edge(locations: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
    """Locations without a gradient a pixel outside the map, where ``grid_sample`` uses the derivative inwards."""
    pixels = locations.detach() * shapes.flip(1)[:, None] - 0.5
    inside = (pixels > -1).all(dim=-1, keepdim=True)
    return torch.where(inside, locations, locations.detach())
