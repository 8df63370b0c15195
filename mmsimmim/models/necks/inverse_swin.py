"""The paper's heaviest prediction heads: an inverse Swin Transformer."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...architectures import SWIN
from ...layers import PatchSplitting
from ...registry import MODELS
from ..backbones.hierarchy import Architecture, Stage, parse_arch, split_drop_path, windows_and_shifts
from ..backbones.swin import initialise_swin, swin_blocks
from ..ranges import require_number

# Pixels per side of a token of the finest map, the patches of Swin.
FINEST_STRIDE = 4


@MODELS.register_module()
class SimMIMInverseSwinDecoder(BaseModule):
    """Predict from the whole map: the stages of a Swin Transformer from the last to the first, then a linear layer.

    The heaviest heads of the paper's ablation (table 2), which names them inverse Swin-T and inverse Swin-B; no code
    of theirs was published. Here a linear layer maps the encoder's channels to those of the last stage. Patch
    splitting is between the stages where the encoder has patch merging. After the first stage, on tokens of 4 x 4
    pixels, follow the output norm of an encoder and the linear layer that predicts all pixels of a
    token. Initialised as the encoder.

    With the encoder of Swin-B and RGB pixels as the target, all parameters:

    ======== =========== ========
    arch     here        aimed at
    ======== =========== ========
    tiny     115,020,962 115.2M
    base     174,494,368 174.8M
    ======== =========== ========

    The counts aimed at are the paper's, second-hand, not checked against it.

    Args:
        in_channels (int): Channels of the map.
        encoder_stride (int): Pixels per side that one token of the map covers, 4 * 2**(stages of ``arch`` - 1).
        arch (str | dict): As of :class:`mmsimmim.SwinTransformer`, its first stage being the decoder's last. Defaults
            to ``'tiny'``.
        img_size (int | tuple[int, int], optional): Size of the images, pixels (H, W), known beforehand: a window that
            is not smaller than its map becomes the map and is not shifted, as in the encoder. Maps of any size are
            accepted either way. Defaults to None.
        window_size (int | Sequence[int]): Side of a window, tokens; one for all stages or one per stage, in the order
            of ``arch``, as for the encoder: the finest map first. Defaults to 6.
        drop_path_rate (float): Rate of stochastic depth at the last block, before the prediction, growing
            linearly from 0 at the first. Defaults to 0.
        with_cp (bool | str): Save memory: True recomputes each block in the backward pass, ``'cheap'`` all but its
            matrix products and attention. Defaults to False.
        out_channels (int): Channels to predict for each position. Defaults to 3; inside :class:`mmsimmim.SimMIM`, to
            those that its target needs.
        target_stride (int): Pixels per side of a predicted position, 1, 2 or 4. Defaults to 1; inside
            :class:`mmsimmim.SimMIM`, to the target's.

    Raises:
        ValueError: If ``encoder_stride`` or ``target_stride`` is none of these, or ``arch`` and ``window_size`` do not
            fit together.

    Examples:
        >>> import torch
        >>> from mmsimmim.models.necks import SimMIMInverseSwinDecoder
        >>> arch = dict(embed_dims=8, depths=[1, 1, 2], num_heads=[1, 2, 4])
        >>> decoder = SimMIMInverseSwinDecoder(in_channels=24, encoder_stride=16, arch=arch)
        >>> decoder(torch.zeros(1, 24, 3, 5)).shape
        torch.Size([1, 3, 48, 80])
    """

    def __init__(self,
                 in_channels: int,
                 encoder_stride: int,
                 arch: str | dict = 'tiny',
                 img_size: int | tuple[int, int] | None = None,
                 window_size: int | Sequence[int] = 6,
                 drop_path_rate: float = 0.,
                 with_cp: bool | str = False,
                 out_channels: int = 3,
                 target_stride: int = 1) -> None:
        require_number(in_channels=in_channels, encoder_stride=encoder_stride, target_stride=target_stride)
        super().__init__()
        sizes = parse_arch(arch, SWIN)
        num_stages = len(sizes.depths)
        _require_stages(encoder_stride, sizes)
        _require_fine(target_stride)
        windows = windows_and_shifts(window_size, img_size, FINEST_STRIDE, num_stages)
        drop_paths = split_drop_path(drop_path_rate, sizes.depths[::-1])
        self.entry = nn.Linear(in_channels, sizes.embed_dims * 2**(num_stages - 1))
        self.stages, self.splittings = nn.ModuleList(), nn.ModuleList()
        for i in reversed(range(num_stages)):
            channels = sizes.embed_dims * 2**i
            blocks = swin_blocks(channels, sizes.num_heads[i], *windows[i], drop_paths[num_stages - 1 - i])
            self.stages.append(Stage(blocks, None, with_cp))
            self.splittings.append(PatchSplitting(channels) if i > 0 else nn.Identity())
        self.norm = nn.LayerNorm(sizes.embed_dims)
        self.factor = FINEST_STRIDE // target_stride
        self.prediction = nn.Linear(sizes.embed_dims, self.factor**2 * out_channels)
        self.apply(initialise_swin)

    def forward(self, x: Tensor) -> Tensor:
        """Predict.

        Args:
            x (Tensor): The encoder's last map, shape (B, in_channels, h, w).

        Returns:
            Tensor: Shape (B, out_channels, h * encoder_stride / target_stride, w * encoder_stride / target_stride).
        """
        x = self.entry(x.permute(0, 2, 3, 1))
        for stage, splitting in zip(self.stages, self.splittings):
            x = splitting(stage(x))
        x = self.prediction(self.norm(x))
        return F.pixel_shuffle(x.permute(0, 3, 1, 2), self.factor)


def _require_stages(encoder_stride: int, sizes: Architecture) -> None:
    """ValueError if the stages do not lead from the encoder's map to tokens of 4 pixels a side."""
    num_stages = len(sizes.depths)
    stride = FINEST_STRIDE * 2**(num_stages - 1)
    if encoder_stride == stride:
        return
    wanted = (encoder_stride // FINEST_STRIDE).bit_length()
    if wanted < 1 or encoder_stride != FINEST_STRIDE * 2**(wanted - 1):
        raise ValueError(f'encoder_stride {encoder_stride}: an inverse Swin doubles the map from stage to stage, up to '
                         f'tokens of {FINEST_STRIDE} x {FINEST_STRIDE} pixels, so the encoder must have a stride of '
                         f'{FINEST_STRIDE}, {2 * FINEST_STRIDE}, {4 * FINEST_STRIDE}, ...')
    fitting = {key: getattr(sizes, key) for key in ('embed_dims', 'depths', 'num_heads')}
    fitting['depths'] = [sizes.depths[min(i, num_stages - 1)] for i in range(wanted)]
    fitting['num_heads'] = [*sizes.num_heads, *(sizes.num_heads[-1] * 2**i for i in range(1, wanted))][:wanted]
    raise ValueError(f'encoder_stride {encoder_stride} does not go with an arch of {num_stages} stages, which enlarge '
                     f'tokens of {stride} pixels a side to {FINEST_STRIDE}; with {wanted} stages they would fit, for '
                     f'instance arch={fitting}')


def _require_fine(target_stride: int) -> None:
    """ValueError if positions of the target are no parts of the finest tokens."""
    if not 1 <= target_stride <= FINEST_STRIDE or FINEST_STRIDE % target_stride:
        raise ValueError(f'target_stride {target_stride}: an inverse Swin predicts from tokens of {FINEST_STRIDE} x '
                         f'{FINEST_STRIDE} pixels, so the stride of the target generator must be 1, 2 or 4; coarser '
                         'targets need SimMIMLinearDecoder or SimMIMMLPDecoder')
