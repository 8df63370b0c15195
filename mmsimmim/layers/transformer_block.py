"""The block of a vision transformer."""

import torch
from torch import Tensor, nn

from .feed_forward import FeedForward
from .global_attention import ChunkedPositionBias, GlobalAttention
from .stochastic_depth import stochastic_depth
from .windows import pad_to_windows, window_partition, window_reverse


class TransformerBlock(nn.Module):
    """Attention and an MLP, each after a norm, scaled channel by channel, and beside a residual connection.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads of the attention.
        grid (tuple[int, int]): Rows and columns of tokens that a bias table of its own is for.
        feedforward_channels (int): Channels between the layers of the MLP.
        layer_scale_init_value (float): Initial scale of both branches; 0 for none.
        drop_rate (float): Dropout of the attention's output and in the MLP.
        attn_drop_rate (float): Dropout of the attention weights.
        drop_path_rate (float): Probability to drop a branch, per image.
        bias (bool | str): See :class:`GlobalAttention`.
        norm_eps (float): Added to the variance by the norms.
        own_bias (bool): Whether it has a bias table of its own.
        bias_resize (str): How bias tables are resized.
        window_size (int): Side of the windows within which tokens attend; the map is padded right and bottom with
            zeros to whole windows, and zeros are attended to (as in ViTDet). Defaults to 0: all tokens attend to all.
    """

    def __init__(self, channels: int, num_heads: int, grid: tuple[int, int], feedforward_channels: int,
                 layer_scale_init_value: float, drop_rate: float, attn_drop_rate: float, drop_path_rate: float,
                 bias: bool | str, norm_eps: float, own_bias: bool, bias_resize: str,
                 window_size: int = 0) -> None:
        super().__init__()
        self.window_size = window_size
        self.ln1 = nn.LayerNorm(channels, norm_eps)
        self.attn = GlobalAttention(channels, num_heads, grid, own_bias, bias, attn_drop_rate, drop_rate, bias_resize)
        self.ln2 = nn.LayerNorm(channels, norm_eps)
        self.ffn = FeedForward(channels, feedforward_channels, drop_rate)
        self.drop_path = stochastic_depth(drop_path_rate)
        scale = torch.full((channels, ), float(layer_scale_init_value))
        self.gamma_1 = nn.Parameter(scale) if layer_scale_init_value else None
        self.gamma_2 = nn.Parameter(scale.clone()) if layer_scale_init_value else None

    def forward(self, x: Tensor, grid: tuple[int, int], shared_bias: Tensor | ChunkedPositionBias | None) -> Tensor:
        """Map (B, N, C) to (B, N, C).

        Args:
            x (Tensor): Tokens; a class token comes first, and there is none where tokens attend within windows.
            grid (tuple[int, int]): Rows and columns of the tokens.
            shared_bias (Tensor | ChunkedPositionBias, optional): See the attention; that of a window where tokens
                attend within windows.

        Returns:
            Tensor: Tokens.
        """
        attend = self._attend_in_windows if self.window_size else self.attn
        return self.feed_forward(x + self.drop_path(self._scale(attend(self.ln1(x), grid, shared_bias), self.gamma_1)))

    def feed_forward(self, x: Tensor) -> Tensor:
        """The second branch and the sum, token by token: (B, N, C) to (B, N, C)."""
        return x + self.drop_path(self._scale(self.ffn(self.ln2(x)), self.gamma_2))

    def _attend_in_windows(self, x: Tensor, grid: tuple[int, int], shared_bias: Tensor | None) -> Tensor:
        size = self.window_size
        x = pad_to_windows(x.unflatten(1, grid), size)
        windows = window_partition(x, size)
        out = self.attn(windows.flatten(0, 1), (size, size), shared_bias).unflatten(0, windows.shape[:2])
        out = window_reverse(out, size, *x.shape[1:3])
        return out[:, :grid[0], :grid[1]].flatten(1, 2)

    @staticmethod
    def _scale(x: Tensor, gamma: Tensor | None) -> Tensor:
        return x if gamma is None else gamma * x
