"""Attention within windows, shifted or not (Swin Transformer, section 3.2)."""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .position_bias import BIAS_RESIZE_MODES, relative_position_index, resize_bias_table


def window_partition(x: Tensor, window_size: int) -> Tensor:
    """Cut a map into windows.

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
    """What keeps apart the tokens that only a cyclic shift brought into the same window.

    Args:
        height (int): Rows of the map, a multiple of ``window_size``.
        width (int): Columns of the map, a multiple of ``window_size``.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens that the map was rolled up and left.
        device (torch.device): Where the mask is made.

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


_cached_shift_mask = lru_cache(maxsize=16)(shift_mask)


def _shift_regions(size: int, window_size: int, shift: int, device: torch.device) -> Tensor:
    """Along one side: 0 for whole windows, 1 and 2 for the two parts of the last one."""
    position = torch.arange(size, device=device)
    return (position >= size - window_size).long() + (position >= size - shift).long()


class WindowAttention(nn.Module):
    """Multi-head attention of the tokens of a window, with a learned bias for each relative offset.

    A loaded table of another window is resized (:func:`~.position_bias.resize_bias_table`); index buffers in a
    loaded file are not needed and passed over.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads; divides ``channels``.
        window_size (int): Side of the window, tokens.
        bias_resize (str): How a table of another window is resized, ``'geometric'`` or ``'bicubic'``.

    Raises:
        ValueError: If ``bias_resize`` is none of them.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, bias_resize: str = 'geometric') -> None:
        super().__init__()
        if bias_resize not in BIAS_RESIZE_MODES:
            raise ValueError(f'bias_resize {bias_resize!r} is none of {BIAS_RESIZE_MODES}')
        self.num_heads = num_heads
        self.bias_resize = bias_resize
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1)**2, num_heads))
        index = relative_position_index(window_size, window_size)
        self.register_buffer('_index', index.flatten(), persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within each window.

        Args:
            windows (Tensor): Shape (B, windows, N, C).
            mask (Tensor, optional): Added to the logits, shape (windows, N, N).

        Returns:
            Tensor: Shape (B, windows, N, C).
        """
        _, num_windows, length, channels = windows.shape
        # windows that need different masks stand beside the heads, all others beside the images: either way one
        # bias serves all images and is never copied for them
        distinct = 1 if mask is None else num_windows
        qkv = self.qkv(windows).reshape(-1, distinct, length, 3, self.num_heads, channels // self.num_heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)
        bias = self.position_bias(length).expand(distinct, -1, -1, -1)
        if mask is not None:
            bias = bias + mask.unsqueeze(1)
        bias = bias.flatten(0, 1).to(query.dtype)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.unsqueeze(0))
        out = out.unflatten(1, (distinct, self.num_heads)).transpose(2, 3).reshape(windows.shape)
        return self.proj(out)

    def position_bias(self, length: int) -> Tensor:
        """Bias of each pair of tokens, from the table: shape (heads, length, length)."""
        bias = self.relative_position_bias_table[self._index]
        return bias.reshape(length, length, self.num_heads).permute(2, 0, 1)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + 'relative_position_index', None)
        name = prefix + 'relative_position_bias_table'
        if name in state_dict:
            try:
                state_dict[name] = resize_bias_table(state_dict[name], len(self.relative_position_bias_table),
                                                     self.bias_resize)
            except ValueError as error:
                raise ValueError(f'{name}: {error}') from error
        super()._load_from_state_dict(state_dict, prefix, *args)


class ShiftedWindowAttention(nn.Module):
    """Attention within the windows of a map that may be rolled by ``shift`` tokens first.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads; divides ``channels``.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to roll the map up and left; 0 for none.
        bias_resize (str): See :class:`WindowAttention`.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, shift: int,
                 bias_resize: str = 'geometric') -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = shift
        self.w_msa = WindowAttention(channels, num_heads, window_size, bias_resize)

    def forward(self, x: Tensor) -> Tensor:
        """Attend.

        Args:
            x (Tensor): Shape (B, H, W, C); padded right and bottom with zeros to whole windows, and cropped again.

        Returns:
            Tensor: Shape (B, H, W, C).
        """
        height, width = x.shape[1:3]
        pad_bottom, pad_right = -height % self.window_size, -width % self.window_size
        if pad_bottom or pad_right:
            x = F.pad(x, (0, 0, 0, pad_right, 0, pad_bottom))
        x = self._attend_in_windows(x)
        return x[:, :height, :width]

    def _attend_in_windows(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        mask = None
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
            # a compiler folds the mask into the graph by itself, and cannot look into a cache
            make_mask = shift_mask if torch.compiler.is_compiling() else _cached_shift_mask
            mask = make_mask(height, width, self.window_size, self.shift, x.device)
        x = self.w_msa(window_partition(x, self.window_size), mask)
        x = window_reverse(x, self.window_size, height, width)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x
