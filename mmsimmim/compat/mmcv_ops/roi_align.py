"""RoIAlign with average pooling, by torchvision."""

import torch

from mmsimmim.compat.mmcv_ops.common import compute_dtype, unsupported


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
    dtype = compute_dtype(input)
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
    dtype = compute_dtype(grad_output)
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
