"""From pixels to tokens, from four tokens to one, and from one to four."""

import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """Project non-overlapping patches to tokens and normalise them.

    Args:
        in_channels (int): Channels of the image.
        channels (int): Channels of a token.
        patch_size (int): Side of a patch, pixels.
        norm (bool): Whether tokens are normalised, as in Swin; not in ViT. Defaults to True.
        pad (bool): Whether images are padded to whole patches; otherwise the remainder at the right and the
            bottom is cut off. Defaults to True.

    Raises:
        ValueError: If ``in_channels`` is not at least 1.
    """

    def __init__(self, in_channels: int, channels: int, patch_size: int, norm: bool = True, pad: bool = True) -> None:
        if not isinstance(in_channels, int) or in_channels < 1:
            raise ValueError(f'in_channels must be at least 1, a whole number, got {in_channels!r}')
        super().__init__()
        self.patch_size = patch_size
        self.pad = pad
        self.projection = nn.Conv2d(in_channels, channels, kernel_size=patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(channels) if norm else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Embed images.

        Args:
            images (Tensor): Shape (B, in_channels, H, W); padded right and bottom with zeros to whole patches, or cut.

        Returns:
            Tensor: Shape (B, h, w, channels) with (h, w) as :meth:`grid` gives it.
        """
        pad_bottom, pad_right = -images.shape[2] % self.patch_size, -images.shape[3] % self.patch_size
        if self.pad and (pad_bottom or pad_right):
            images = F.pad(images, (0, pad_right, 0, pad_bottom))
        return self.norm(self.projection(images).permute(0, 2, 3, 1))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of tokens of an image of this size, pixels: rounded up with padding, down without."""
        left_over = self.patch_size - 1 if self.pad else 0
        return (height + left_over) // self.patch_size, (width + left_over) // self.patch_size


class PatchMerging(nn.Module):
    """Join each 2 x 2 group of tokens into one of twice the channels.

    The four tokens are interleaved channel by channel, in the order of ``nn.Unfold`` and so of OpenMMLab's weights
    (the official code puts them one after another, left column first).

    Args:
        channels (int): Channels of a token before merging.
        post_norm (bool): Normalise after the projection, as Swin Transformer V2, not before. Defaults to False.
    """

    def __init__(self, channels: int, post_norm: bool = False) -> None:
        super().__init__()
        self.post_norm = post_norm
        self.norm = nn.LayerNorm(2 * channels if post_norm else 4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Merge tokens.

        Args:
            x (Tensor): Shape (B, H, W, C); padded right and bottom with zeros to even sizes.

        Returns:
            Tensor: Shape (B, ceil(H / 2), ceil(W / 2), 2 * C).
        """
        pad_bottom, pad_right = x.shape[1] % 2, x.shape[2] % 2
        if pad_bottom or pad_right:
            x = F.pad(x, (0, 0, 0, pad_right, 0, pad_bottom))
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
        x = x.permute(0, 1, 3, 5, 2, 4).flatten(3)
        return self.norm(self.reduction(x)) if self.post_norm else self.reduction(self.norm(x))


class PatchSplitting(nn.Module):
    """Split each token into a 2 x 2 group of half the channels: the inverse of :class:`PatchMerging`.

    A norm and a linear layer map each token to 2 * C numbers, four times the C / 2 of the finer map. Number
    ``4 * c + 2 * i + j`` is channel c of the token in row i and column j of the group, which is the order of
    ``nn.PixelShuffle`` and the one in which :class:`PatchMerging` reads the group.

    Args:
        channels (int): Channels of a token before splitting, an even number.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.expansion = nn.Linear(channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, 2 * H, 2 * W, C / 2)."""
        batch, height, width, channels = x.shape
        x = self.expansion(self.norm(x)).reshape(batch, height, width, channels // 2, 2, 2)
        return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2 * height, 2 * width, channels // 2)
