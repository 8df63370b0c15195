"""The paper's 2-layer MLP as a prediction head."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS
from ..ranges import require_number
from .linear import positions_per_side


@MODELS.register_module()
class SimMIMMLPDecoder(BaseModule):
    """Predict all pixels of a token from that token alone, by two layers with GELU between them.

    One of the heavier heads of the paper's ablation (table 2). With the encoder of Swin-B there are 90,923,704
    parameters; the hidden width is chosen for the paper's 90.9M, a second-hand figure.

    Args:
        in_channels (int): Channels of the map.
        encoder_stride (int): Pixels per side that one token of the map covers.
        hidden_channels (int, optional): Channels between the layers. Defaults to None: ``in_channels``.
        out_channels (int): Channels to predict for each position. Defaults to 3; inside :class:`mmsimmim.SimMIM`, to
            those that its target needs.
        target_stride (int): Pixels per side of a predicted position. Defaults to 1, each pixel; inside
            :class:`mmsimmim.SimMIM`, to the target's.

    Raises:
        ValueError: If ``target_stride`` does not divide ``encoder_stride``, or ``hidden_channels`` is less than 1.
    """

    def __init__(self,
                 in_channels: int,
                 encoder_stride: int,
                 hidden_channels: int | None = None,
                 out_channels: int = 3,
                 target_stride: int = 1) -> None:
        super().__init__()
        require_number(in_channels=in_channels, out_channels=out_channels)
        hidden_channels = in_channels if hidden_channels is None else hidden_channels
        require_number(hidden_channels=hidden_channels)
        factor = positions_per_side(encoder_stride, target_stride)
        self.decoder = nn.Sequential(
            nn.Conv2d(in_channels, hidden_channels, kernel_size=1), nn.GELU(),
            nn.Conv2d(hidden_channels, factor**2 * out_channels, kernel_size=1), nn.PixelShuffle(factor))

    def forward(self, x: Tensor) -> Tensor:
        """Predict.

        Args:
            x (Tensor): The encoder's last map, shape (B, in_channels, h, w).

        Returns:
            Tensor: Shape (B, out_channels, h * encoder_stride / target_stride, w * encoder_stride / target_stride).
        """
        return self.decoder(x)
