"""The paper's default prediction head: one linear layer."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS
from ..ranges import require_number


@MODELS.register_module()
class SimMIMLinearDecoder(BaseModule):
    """Predict all pixels of a token from that token alone (paper section 3.3).

    Args:
        in_channels (int): Channels of the map.
        encoder_stride (int): Pixels per side that one token of the map covers.
        out_channels (int): Channels to predict for each position. Defaults to 3; inside :class:`mmsimmim.SimMIM`, to
            those that its target needs.
        target_stride (int): Pixels per side of a predicted position. Defaults to 1, each pixel; inside
            :class:`mmsimmim.SimMIM`, to the target's.

    Raises:
        ValueError: If ``target_stride`` does not divide ``encoder_stride``, or a number is not at least 1.
    """

    def __init__(self, in_channels: int, encoder_stride: int, out_channels: int = 3, target_stride: int = 1) -> None:
        require_number(in_channels=in_channels, out_channels=out_channels)
        super().__init__()
        factor = positions_per_side(encoder_stride, target_stride)
        self.decoder = nn.Sequential(
            nn.Conv2d(in_channels, factor**2 * out_channels, kernel_size=1), nn.PixelShuffle(factor))

    def forward(self, x: Tensor) -> Tensor:
        """Predict.

        Args:
            x (Tensor): The encoder's last map, shape (B, in_channels, h, w).

        Returns:
            Tensor: Shape (B, out_channels, h * encoder_stride / target_stride, w * encoder_stride / target_stride).
        """
        return self.decoder(x)


def positions_per_side(encoder_stride: int, target_stride: int) -> int:
    """Number of predicted positions per side of a token.

    Args:
        encoder_stride (int): Pixels per side of a token.
        target_stride (int): Pixels per side of a position.

    Raises:
        ValueError: If they are not whole positions.
    """
    require_number(encoder_stride=encoder_stride)
    if not 1 <= target_stride <= encoder_stride or encoder_stride % target_stride:
        divisors = [i for i in range(1, encoder_stride + 1) if encoder_stride % i == 0]
        raise ValueError(f'target_stride {target_stride} does not divide encoder_stride {encoder_stride}, the pixels '
                         f'per side of a token: the stride of the target generator must be one of {divisors}')
    return encoder_stride // target_stride
