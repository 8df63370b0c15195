"""Windows of a feature map, shifted or not (Swin Transformer, section 3.2)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .tensor_cache import TensorCache, is_real

# In sequence, a group has as many windows as have fewer logits of all heads, per image, than this.
MAX_LOGITS = 2**26
# Masks of 64 MiB and less are kept, 128 MiB in all: maps of a dozen sizes would fill a GPU.
MASKS = TensorCache(max_bytes=2**27)


def pad_to_windows(x: Tensor, window_size: int) -> Tensor:
    """Pad a map (B, H, W, C) right and bottom with zeros to whole windows of ``window_size`` tokens a side."""
    pad_bottom, pad_right = -x.shape[1] % window_size, -x.shape[2] % window_size
    return F.pad(x, (0, 0, 0, pad_right, 0, pad_bottom)) if pad_bottom or pad_right else x


def window_partition(x: Tensor, window_size: int) -> Tensor:
    """Partition a map into windows.

    Args:
        x (Tensor): Shape (B, H, W, C), H and W multiples of ``window_size``.
        window_size (int): Side of a window, tokens.

    Returns:
        Tensor: Shape (B, windows, window_size**2, C), windows and their tokens in row-major order.
    """
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window_size, window_size, width // window_size, window_size, channels)
    return x.transpose(2, 3).reshape(batch, -1, window_size**2, channels)


def window_reverse(windows: Tensor, window_size: int, height: int, width: int) -> Tensor:
    """Inverse of :func:`window_partition`: (B, windows, window_size**2, C) to (B, height, width, C)."""
    batch, _, _, channels = windows.shape
    rows, cols = height // window_size, width // window_size
    windows = windows.reshape(batch, rows, cols, window_size, window_size, channels)
    return windows.transpose(2, 3).reshape(batch, height, width, channels)


def shift_mask(height: int, width: int, window_size: int, shift: int, device: torch.device) -> Tensor:
    """The attention mask between tokens that only the cyclic shift brought into the same window.

    Args:
        height (int): Rows of the map, a multiple of ``window_size``.
        width (int): Columns of the map, a multiple of ``window_size``.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens that the map was rolled up and left.
        device (torch.device): Device of the mask.

    Returns:
        Tensor: float32, shape (windows, window_size**2, window_size**2); 0 where query and key were neighbours
        before the shift, -100 elsewhere (the official value).
    """
    row_region = _shift_regions(height, window_size, shift, device)
    col_region = _shift_regions(width, window_size, shift, device)
    region = 3 * row_region[:, None] + col_region[None, :]
    region = window_partition(region[None, :, :, None], window_size)[0, :, :, 0]
    apart = region[:, :, None] != region[:, None, :]
    return torch.zeros(apart.shape, device=device).masked_fill(apart, -100.0)


def _shift_regions(size: int, window_size: int, shift: int, device: torch.device) -> Tensor:
    """Along one side: 0 for whole windows, 1 and 2 for the two parts of the last one."""
    position = torch.arange(size, device=device)
    return (position >= size - window_size).long() + (position >= size - shift).long()


class ShiftedWindowAttention(nn.Module):
    """Attention within the windows of a map that may be rolled by ``shift`` tokens first.

    Args:
        attention (nn.Module): Attends within each window: :class:`~.attention.WindowAttention` or
            :class:`~.attention.CosineWindowAttention` of the same window.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to roll the map up and left; 0 for none.
        sequential (bool): Attend in one group of windows after another (Swin Transformer V2, section 3.5). Biases and
            queries, keys and values of all windows are then never in memory at once, and each group is recomputed in
            the backward pass. Results are those of all windows at once, up to rounding. Defaults to False.
    """

    def __init__(self, attention: nn.Module, window_size: int, shift: int, sequential: bool = False) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = shift
        self.sequential = sequential
        self.w_msa = attention

    def forward(self, x: Tensor) -> Tensor:
        """Attend.

        Args:
            x (Tensor): Shape (B, H, W, C); padded right and bottom with zeros to whole windows, and cropped again.

        Returns:
            Tensor: Shape (B, H, W, C).
        """
        height, width = x.shape[1:3]
        x = pad_to_windows(x, self.window_size)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        x = self._attend_in_sequence(x) if self.sequential else self._attend_at_once(x)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]

    def _attend_at_once(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        mask = self._mask(height, width, x) if self.shift else None
        x = self.w_msa(window_partition(x, self.window_size), mask)
        return window_reverse(x, self.window_size, height, width)

    def _attend_in_sequence(self, x: Tensor) -> Tensor:
        """Part by part, in each of which all windows have the same mask."""
        bias = self.w_msa.position_bias(self.window_size**2)
        masks = iter(self._masks_of_parts(x))
        return torch.cat([
            torch.cat([self._attend_in_groups(part, next(masks), bias) for part in self._without_last(strip, 2)], dim=2)
            for strip in self._without_last(x, 1)], dim=1)

    def _without_last(self, x: Tensor, dim: int) -> tuple[Tensor, ...]:
        """All windows along a side but the last one, and the last one; together if there is no shift, or no other."""
        others = x.shape[dim] - self.window_size
        return x.split([others, self.window_size], dim) if self.shift and others else (x, )

    def _masks_of_parts(self, x: Tensor) -> list[Tensor | None]:
        """Two by two windows have all masks that there are on any map; the first of four has nothing to mask."""
        if not self.shift:
            return [None]
        masks = self._mask(*(min(side, 2 * self.window_size) for side in x.shape[1:3]), x)
        return [None if i == 0 and len(masks) == 4 else masks[i:i + 1] for i in range(len(masks))]

    def _attend_in_groups(self, x: Tensor, mask: Tensor | None, bias: Tensor) -> Tensor:

        def attend(group: Tensor, bias: Tensor) -> Tensor:
            return self.w_msa(group, mask, bias)

        def attend_again_in_backward(group: Tensor, bias: Tensor) -> Tensor:
            return checkpoint(attend, group, bias, use_reentrant=False, preserve_rng_state=False)  # nothing is random

        height, width = x.shape[1:3]
        call = attend_again_in_backward if torch.is_grad_enabled() else attend
        groups = window_partition(x, self.window_size).split(max(1, MAX_LOGITS // bias.numel()), dim=1)
        out = torch.cat([call(group, bias) for group in groups], dim=1)
        return window_reverse(out, self.window_size, height, width)

    def _mask(self, height: int, width: int, like: Tensor) -> Tensor:
        key = height, width, self.window_size, self.shift, like.device
        # a compiler folds the mask into the graph by itself, and cannot trace a cache
        if torch.compiler.is_compiling() or not is_real(like):
            return shift_mask(*key)
        return MASKS.get(key, lambda: shift_mask(*key))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + 'attn_mask', None)
        super()._load_from_state_dict(state_dict, prefix, *args)
