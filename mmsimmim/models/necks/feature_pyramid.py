"""From the single feature map of a plain vision transformer to a feature pyramid."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Feature maps of several scales, each made from the encoder's last one alone.

    `Exploring Plain Vision Transformer Backbones <https://arxiv.org/abs/2203.16527>`_, section 3 and appendix A.2: the
    last map is upsampled by transposed convolutions (two of stride 2, with norm and GELU between them, for 4; one for
    2), kept, or halved by max-pooling. A 1 x 1 and a 3 x 3 convolution, each with a norm, follow. Further
    levels are the last one subsampled.

    Args:
        in_channels (int): Channels of the encoder's map. Defaults to 768.
        out_channels (int): Channels of each level. Defaults to 256.
        scales (Sequence[float]): Size of each level over that of the encoder's map, of 4, 2, 1 and 0.5. Defaults to
            (4, 2, 1, 0.5), which are strides of 4, 8, 16 and 32 pixels after patches of 16.
        num_outs (int): Levels, at least as many as scales. Defaults to 5.
        norm_cfg (dict): Of all norms. Defaults to ``dict(type='mmpretrain.LN2d', eps=1e-6)``, over channels.
        init_cfg (dict, optional): MMEngine initialisation. Defaults to None: mmcv's for convolutions (He).

    Raises:
        ValueError: If a scale is unknown, or there are fewer levels than scales.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import SimpleFeaturePyramid
        >>> levels = SimpleFeaturePyramid(in_channels=16, out_channels=8)((torch.zeros(1, 16, 6, 9), ))
        >>> [tuple(x.shape) for x in levels]
        [(1, 8, 24, 36), (1, 8, 12, 18), (1, 8, 6, 9), (1, 8, 3, 4), (1, 8, 2, 2)]
    """

    def __init__(self,
                 in_channels: int = 768,
                 out_channels: int = 256,
                 scales: Sequence[float] = (4, 2, 1, 0.5),
                 num_outs: int = 5,
                 norm_cfg: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if num_outs < len(scales):
            raise ValueError(f'num_outs {num_outs} is less than the number of scales, {len(scales)}')
        norm_cfg = norm_cfg or dict(type='mmpretrain.LN2d', eps=1e-6)
        self.num_outs = num_outs
        self.levels = nn.ModuleList()
        for scale in scales:
            resize, channels = _resize(scale, in_channels, norm_cfg)
            self.levels.append(
                nn.Sequential(*resize, _conv(channels, out_channels, 1, norm_cfg),
                              _conv(out_channels, out_channels, 3, norm_cfg)))

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Build the pyramid.

        Args:
            inputs (tuple[Tensor]): The encoder's maps, of which the last is used, shape (B, in_channels, h, w).

        Returns:
            tuple[Tensor]: ``num_outs`` maps of shape (B, out_channels, scale * h, scale * w), halves rounded down; each
            beyond the scales has half the size of the one before, rounded up.
        """
        outs = [level(inputs[-1]) for level in self.levels]
        while len(outs) < self.num_outs:
            outs.append(F.max_pool2d(outs[-1], kernel_size=1, stride=2))
        return tuple(outs)


def _resize(scale: float, channels: int, norm_cfg: dict) -> tuple[list[nn.Module], int]:
    """Layers that resize the encoder's map, and the channels after them."""
    if scale == 4:
        return [_double(channels), build_norm_layer(norm_cfg, channels // 2)[1], nn.GELU(),
                _double(channels // 2)], channels // 4
    if scale == 2:
        return [_double(channels)], channels // 2
    if scale == 1:
        return [], channels
    if scale == 0.5:
        return [nn.MaxPool2d(kernel_size=2, stride=2)], channels
    raise ValueError(f'scale {scale} is none of 4, 2, 1 and 0.5')


def _double(channels: int) -> nn.Module:
    return nn.ConvTranspose2d(channels, channels // 2, kernel_size=2, stride=2)


def _conv(channels: int, out_channels: int, kernel_size: int, norm_cfg: dict) -> nn.Module:
    return ConvModule(channels, out_channels, kernel_size, padding=kernel_size // 2, norm_cfg=norm_cfg, act_cfg=None)
