"""The interface of targets."""

from mmengine.model import BaseModule
from torch import Tensor


class Target(BaseModule):
    """Base of the target generators: maps images (B, C, H, W) to what is to be predicted of them.

    Values are (B, out_channels, H / stride, W / stride). Classes are int64, (B, groups, H / stride, W / stride), and
    the prediction has ``num_classes`` logits for each group, one group after another.

    A module without these attributes works as well: its target is taken to have the shape of the image.
    """

    stride: int = 1
    """Pixels per side of a predicted position."""

    num_classes: int | None = None
    """How many classes there are; None for values."""

    from_colours: bool = False
    """Whether images come as red, green, blue from 0 to 255 (float32), and not as the encoder sees them."""

    def out_channels(self, in_channels: int) -> int:
        """Channels of the prediction, for images of ``in_channels``.

        Raises:
            ValueError: If there is no such target of images with ``in_channels`` channels.
        """
        return in_channels

    # restore(prediction, images), where a target has it, returns images, in the colours that the target came from.


def require_divisible(images: Tensor, side: int, name: str) -> None:
    """ValueError, which tells the argument's ``name``, if the sides of images (B, C, H, W) are no multiples of it."""
    if images.shape[2] % side or images.shape[3] % side:
        raise ValueError(f'{name} {side} of the target must divide the sides of the images, got '
                         f'{images.shape[2]} x {images.shape[3]} pixels')


def require_stride(stride: int, name: str = 'stride') -> int:
    """The stride itself; ValueError if it is no whole number above 0."""
    if not isinstance(stride, int) or isinstance(stride, bool) or stride < 1:
        raise ValueError(f'{name} must be an integer of at least 1, in pixels, got {stride!r}')
    return stride
