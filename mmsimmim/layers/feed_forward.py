"""The two-layer MLP of a transformer block."""

from torch import Tensor, nn


class FeedForward(nn.Module):
    """Linear, GELU, linear; the parameters are named as in mmcv's ``FFN``.

    Args:
        channels (int): Channels in and out.
        hidden_channels (int): Channels between the layers.
        drop_rate (float): Dropout after each layer. Defaults to 0.
    """

    def __init__(self, channels: int, hidden_channels: int, drop_rate: float = 0.) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(channels, hidden_channels), nn.GELU(), nn.Dropout(drop_rate)),
            nn.Linear(hidden_channels, channels), nn.Dropout(drop_rate))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., channels) to (..., channels)."""
        return self.layers(x)
