"""Attention of the tokens of a window: scaled dot products (Swin Transformer) and cosines (Swin Transformer V2)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from .position_bias import BIAS_RESIZE_MODES, log_spaced_offsets, relative_position_index, resize_bias_table


class _BiasedAttention(nn.Module):
    """Multi-head attention within windows, with a bias for each relative offset of two tokens.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads; divides ``channels``.
        window_size (int): Side of the window, tokens.
        qkv_bias (bool): Whether the projection to query, key and value has a bias of its own.
    """

    # What logits are multiplied by; None for the square root of the channels of a head, inverted.
    scale: float | None = None

    def __init__(self, channels: int, num_heads: int, window_size: int, qkv_bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)
        index = relative_position_index(window_size, window_size)
        self.register_buffer('_index', index.flatten(), persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Attend within each window.

        Args:
            windows (Tensor): Shape (B, windows, N, C).
            mask (Tensor, optional): Added to the logits, shape (windows, N, N), or (1, N, N) for all windows.
            bias (Tensor, optional): What :meth:`position_bias` returns, if it was called before.

        Returns:
            Tensor: Shape (B, windows, N, C).
        """
        _, _, length, channels = windows.shape
        # windows with different masks are folded into the heads, all others into the batch: either way one
        # bias is broadcast over the images, never copied
        distinct = 1 if mask is None else len(mask)
        qkv = self._project(windows).reshape(-1, distinct, length, 3, self.num_heads, channels // self.num_heads)
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)
        query, key = self._prepare(query, key)
        bias = self.position_bias(length) if bias is None else bias
        bias = bias.expand(distinct, -1, -1, -1)
        if mask is not None:
            bias = bias + mask.unsqueeze(1)
        # fused kernels on GPUs need a bias whose last dimension is dense, and are silently not used otherwise
        bias = bias.flatten(0, 1).to(query.dtype).contiguous()
        out = _attend(query.flatten(1, 2), key.flatten(1, 2), value.flatten(1, 2), bias.unsqueeze(0), self.scale)
        out = out.unflatten(1, (distinct, self.num_heads)).transpose(2, 3).reshape(windows.shape)
        return self.proj(out)

    def position_bias(self, length: int) -> Tensor:
        """Bias of each pair of tokens: shape (heads, length, length)."""
        bias = self._bias_table()[self._index]
        return bias.reshape(length, length, self.num_heads).permute(2, 0, 1)

    def _project(self, windows: Tensor) -> Tensor:
        """Query, key and value of each token, one after the other: (..., C) to (..., 3 * C)."""
        return self.qkv(windows)

    def _prepare(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Query and key, both of shape (..., heads, N, C / heads), as they are multiplied."""
        return query, key

    def _bias_table(self) -> Tensor:
        """Bias of each relative offset: shape ((2 * window - 1)**2, heads)."""
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + 'relative_position_index', None)
        super()._load_from_state_dict(state_dict, prefix, *args)


class WindowAttention(_BiasedAttention):
    """Attention by scaled dot products, with a learned bias for each relative offset.

    A loaded table of another window is resized (:func:`~.position_bias.resize_bias_table`); index buffers in a
    loaded file are not needed and ignored.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads; divides ``channels``.
        window_size (int): Side of the window, tokens.
        bias_resize (str): How a table of another window is resized, ``'geometric'`` or ``'bicubic'``.

    Raises:
        ValueError: If ``bias_resize`` is none of them.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, bias_resize: str = 'geometric') -> None:
        super().__init__(channels, num_heads, window_size, qkv_bias=True)
        if bias_resize not in BIAS_RESIZE_MODES:
            raise ValueError(f'bias_resize {bias_resize!r} is none of {BIAS_RESIZE_MODES}')
        self.bias_resize = bias_resize
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1)**2, num_heads))

    def _bias_table(self) -> Tensor:
        return self.relative_position_bias_table

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        name = prefix + 'relative_position_bias_table'
        if name in state_dict:
            try:
                state_dict[name] = resize_bias_table(state_dict[name], len(self.relative_position_bias_table),
                                                     self.bias_resize)
            except UserError as error:
                raise UserError(f'{name}: {error}') from error
        super()._load_from_state_dict(state_dict, prefix, *args)


class CosineWindowAttention(_BiasedAttention):
    """Attention by cosines, with a bias that is a learned function of the offset (Swin Transformer V2, section 3.3).

    Each head multiplies the cosine of query and key by a learned scale of at most 100. A small MLP computes the
    bias from log-spaced offsets, between 0 and 16, for any window. Keys have no bias of their own.
    Index and coordinate buffers in a loaded file are not needed and ignored.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads; divides ``channels``.
        window_size (int): Side of the window, tokens.
        pretrained_window_size (int): Side of the window in pre-training, see
            :func:`~.position_bias.log_spaced_offsets`. Defaults to 0: the same.
    """

    scale = 1.0
    max_logit_scale = math.log(100)

    def __init__(self, channels: int, num_heads: int, window_size: int, pretrained_window_size: int = 0) -> None:
        super().__init__(channels, num_heads, window_size, qkv_bias=False)
        self.pretrained_window_size = pretrained_window_size or window_size
        self.q_bias = nn.Parameter(torch.zeros(channels))
        self.v_bias = nn.Parameter(torch.zeros(channels))
        self.logit_scale = nn.Parameter(torch.full((num_heads, 1, 1), math.log(10)))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, num_heads, bias=False))
        offsets = log_spaced_offsets(window_size, pretrained_window_size)
        self.register_buffer('_offsets', offsets, persistent=False)

    def _project(self, windows: Tensor) -> Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        return F.linear(windows, self.qkv.weight, bias)

    def _prepare(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return _with_length(query, self.logit_scale.clamp(max=self.max_logit_scale).exp()), _with_length(key, 1)

    def _bias_table(self) -> Tensor:
        # half precision is too coarse for small offsets, and the table is small
        with torch.autocast(self._offsets.device.type, enabled=False):
            table = 16 * self.cpb_mlp(self._offsets.to(self.cpb_mlp[0].weight.dtype)).sigmoid()
        # softmax is invariant to a constant, and values around 0 lose less in half precision than those around 8
        return table - 8

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + 'relative_coords_table', None)
        super()._load_from_state_dict(state_dict, prefix, *args)


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether kernels of GPUs compute with a tensor."""
    return tensor.is_cuda


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float | None) -> Tensor:
    """Attention by a fused kernel also where a head has a number of channels that those of GPUs do not take.

    They want rows in multiples of 16 bytes, and are silently not used otherwise: 44 channels in half precision, as
    Swin V2-H has, are filled up to 48 with zeros, which change nothing.
    """
    channels = query.shape[-1]
    missing = -channels % (16 // query.element_size()) if is_on_gpu(query) else 0
    if not missing:
        return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)
    query, key, value = (F.pad(tensor, (0, missing)) for tensor in (query, key, value))
    scale = channels**-0.5 if scale is None else scale
    return F.scaled_dot_product_attention(query, key, value, bias, scale=scale)[..., :channels]


def _with_length(vectors: Tensor, length: Tensor | float) -> Tensor:
    """Vectors (..., C) of the same direction and of Euclidean length ``length``, computed in float32 at least."""
    precise = torch.promote_types(vectors.dtype, torch.float32)
    norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True, dtype=precise)
    # the keys of padding are zero: without a direction they stay so, and get no gradient of 1 / 0
    factor = torch.where(norm > 1e-12, length / norm.clamp(min=1e-12), 0)
    return (vectors * factor).to(vectors.dtype)
