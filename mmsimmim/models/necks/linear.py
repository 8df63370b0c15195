"""The paper's default prediction head: one linear layer."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS


@MODELS.register_module()
class SimMIMLinearDecoder(BaseModule):
    """Predict all pixels below a token from that token alone (paper section 3.3).

    Args:
        in_channels (int): Channels of the map.
        encoder_stride (int): Pixels per side that one token of the map covers.
        out_channels (int): Channels to predict for each pixel. Defaults to 3; inside :class:`mmsimmim.SimMIM`, to
            the channels of its images.
    """

    def __init__(self, in_channels: int, encoder_stride: int, out_channels: int = 3) -> None:
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Conv2d(in_channels, encoder_stride**2 * out_channels, kernel_size=1),
            nn.PixelShuffle(encoder_stride))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, h, w) to (B, out_channels, h * encoder_stride, w * encoder_stride)."""
        return self.decoder(x)
