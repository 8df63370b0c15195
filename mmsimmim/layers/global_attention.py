"""Attention among all tokens of an image, as in BEiT's vision transformer, which SimMIM's ViT is."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import UserError
from .position_bias import BIAS_RESIZE_MODES, resize_token_bias_table, token_bias

# Images of more tokens than this attend in chunks, so that the bias of all pairs is never in memory at once ...
MAX_WHOLE_TOKENS = 1024
# ... and a chunk has the largest number of rows of queries with fewer logits of all images and heads than this.
MAX_PIECE = 2**26


class ChunkedPositionBias(NamedTuple):
    """The bias of an image with many tokens, computed for a few rows of queries at a time.

    Args:
        table (Tensor): Bias table for ``grid``.
        grid (tuple[int, int]): Rows and columns of tokens.
    """

    table: Tensor
    grid: tuple[int, int]

    def of_rows(self, first: int, last: int) -> Tensor:
        """Bias of the queries in rows ``first`` to ``last`` - 1, see :func:`~.position_bias.token_bias`."""
        return token_bias(self.table, self.grid, first, last)

    def chunks(self, batch: int) -> Iterator[tuple[int, int]]:
        """First row of queries of each chunk, and the one after the last, for a batch of ``batch`` images."""
        rows, cols = self.grid
        step = max(1, MAX_PIECE // (batch * self.table.shape[1] * rows * cols * cols))
        for first in range(0, rows, step):
            yield first, min(first + step, rows)


class RelativePositionBias(nn.Module):
    """A learned bias for each relative offset of two tokens of an image, and for the pairs with the class token.

    The table belongs to one grid of tokens. For images of another grid it is resized in each forward pass, exactly as
    it is when a file with a table of another grid is loaded (:func:`~.position_bias.resize_token_bias_table`). So the
    result is that of a model of the size of the image that loads these weights. Index buffers in a loaded file are not
    needed and ignored.

    Args:
        num_heads (int): Heads of the attention.
        grid (tuple[int, int]): Rows and columns of tokens that the table is for.
        bias_resize (str): How the table is resized, ``'geometric'`` or ``'bicubic'``. Defaults to ``'geometric'``.

    Raises:
        ValueError: If ``bias_resize`` is none of them.
    """

    def __init__(self, num_heads: int, grid: tuple[int, int], bias_resize: str = 'geometric') -> None:
        super().__init__()
        if bias_resize not in BIAS_RESIZE_MODES:
            raise ValueError(f'bias_resize {bias_resize!r} is none of {BIAS_RESIZE_MODES}')
        self.grid = grid
        self.bias_resize = bias_resize
        num_rows = (2 * grid[0] - 1) * (2 * grid[1] - 1) + 3
        self.relative_position_bias_table = nn.Parameter(torch.zeros(num_rows, num_heads))

    def position_bias(self, grid: tuple[int, int]) -> Tensor:
        """Bias of each pair of tokens of an image of ``grid`` (rows, columns): (heads, N, N), N = 1 + rows * cols."""
        return token_bias(self._table_for(grid), grid)

    def position_bias_or_chunks(self, grid: tuple[int, int]) -> Tensor | ChunkedPositionBias:
        """As :meth:`position_bias`, but a :class:`ChunkedPositionBias` for many tokens."""
        if grid[0] * grid[1] <= MAX_WHOLE_TOKENS:
            return self.position_bias(grid)
        return ChunkedPositionBias(self._table_for(grid), grid)

    def _table_for(self, grid: tuple[int, int]) -> Tensor:
        return resize_token_bias_table(self.relative_position_bias_table, grid, self.bias_resize, self.grid)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + 'relative_position_index', None)
        name = prefix + 'relative_position_bias_table'
        if name in state_dict and self.relative_position_bias_table is not None:
            try:
                state_dict[name] = resize_token_bias_table(state_dict[name], self.grid, self.bias_resize)
            except UserError as error:
                raise UserError(f'{name}: {error}') from error
        super()._load_from_state_dict(state_dict, prefix, *args)


class GlobalAttention(RelativePositionBias):
    """Multi-head attention of all tokens of an image, with a relative-position bias of its own or a given one.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads; divides ``channels``.
        grid (tuple[int, int]): Rows and columns of tokens that its own bias table is for.
        own_bias (bool): Whether there is a table for this layer alone. Defaults to False.
        bias (bool | str): Biases of the projections to query, key and value: True, False, or ``'qv_bias'`` for none
            of the key (as any would be the same for all keys of a query). Defaults to ``'qv_bias'``.
        attn_drop_rate (float): Dropout of the attention weights. Defaults to 0.
        drop_rate (float): Dropout of the output. Defaults to 0.
        bias_resize (str): See :class:`RelativePositionBias`.

    Raises:
        ValueError: If ``bias`` or ``bias_resize`` is unknown.
    """

    def __init__(self, channels: int, num_heads: int, grid: tuple[int, int], own_bias: bool = False,
                 bias: bool | str = 'qv_bias', attn_drop_rate: float = 0., drop_rate: float = 0.,
                 bias_resize: str = 'geometric') -> None:
        super().__init__(num_heads, grid, bias_resize)
        if not (isinstance(bias, bool) or bias == 'qv_bias'):
            raise ValueError(f"bias {bias!r} is none of True, False and 'qv_bias'")
        if not own_bias:
            self.relative_position_bias_table = None
        self.num_heads = num_heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias is True)
        self.q_bias = nn.Parameter(torch.zeros(channels)) if bias == 'qv_bias' else None
        self.v_bias = nn.Parameter(torch.zeros(channels)) if bias == 'qv_bias' else None
        self.attn_drop_rate = attn_drop_rate
        self.proj = nn.Linear(channels, channels)
        self.proj_drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor, grid: tuple[int, int],
                shared_bias: Tensor | ChunkedPositionBias | None = None) -> Tensor:
        """Attend.

        Args:
            x (Tensor): Shape (B, N, C), the class token first, if there is one.
            grid (tuple[int, int]): Rows and columns of the other tokens.
            shared_bias (Tensor | ChunkedPositionBias, optional): Added to the logits, shape
                (heads, 1 + h * w, 1 + h * w), unless there is a table for this layer.

        Returns:
            Tensor: Shape (B, N, C).
        """
        batch, length, channels = x.shape
        qkv = self._project(x).reshape(batch, length, 3, self.num_heads, channels // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        own = self.relative_position_bias_table is not None
        bias = self.position_bias_or_chunks(grid) if own else shared_bias
        attend = self._attend_in_chunks if isinstance(bias, ChunkedPositionBias) else self._attend
        out = attend(query, key, value, bias)
        return self.proj_drop(self.proj(out.transpose(1, 2).reshape(batch, length, channels)))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        if bias is not None:
            # broadcast over the images, never copied; without a class token its row and column are left out
            bias = bias[None, :, -query.shape[2]:, -key.shape[2]:].to(query.dtype)
        dropout = self.attn_drop_rate if self.training else 0.
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)

    def _attend_in_chunks(self, query: Tensor, key: Tensor, value: Tensor, bias: ChunkedPositionBias) -> Tensor:
        """Some rows of queries at a time; each chunk of the bias is recomputed in the backward pass."""

        # keys and values are arguments, so that a block that is itself recomputed frees them until then
        def attend(queries: Tensor, key: Tensor, value: Tensor, first: int, last: int) -> Tensor:
            return self._attend(queries, key, value, bias.of_rows(first, last))

        outs = []
        class_token = query.shape[2] - bias.grid[0] * bias.grid[1]
        for first, last in bias.chunks(len(query)):
            start, stop = (class_token + row * bias.grid[1] if row else 0 for row in (first, last))
            queries = query[:, :, start:stop]
            if torch.is_grad_enabled():
                outs.append(checkpoint(attend, queries, key, value, first, last, use_reentrant=False))
            else:
                outs.append(attend(queries, key, value, first, last))
        return torch.cat(outs, dim=2)

    def _project(self, x: Tensor) -> Tensor:
        if self.q_bias is None:
            return self.qkv(x)
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        return F.linear(x, self.qkv.weight, bias)
