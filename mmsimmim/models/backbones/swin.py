"""Swin Transformer: one class from pre-training to detection."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import StochasticDepth

from ...layers import FeedForward, PatchEmbed, PatchMerging, ShiftedWindowAttention, replace_masked_tokens
from ...registry import MODELS
from .encoder import Encoder
from .hierarchy import check_frozen_stages, check_out_indices, parse_arch, split_drop_path, windows_and_shifts

ARCHITECTURES = {
    'tiny': dict(embed_dims=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24]),
    'small': dict(embed_dims=96, depths=[2, 2, 18, 2], num_heads=[3, 6, 12, 24]),
    'base': dict(embed_dims=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32]),
    'large': dict(embed_dims=192, depths=[2, 2, 18, 2], num_heads=[6, 12, 24, 48]),
}


class SwinBlock(nn.Module):
    """Window attention and a perceptron, each after a norm and beside a residual connection.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads of the attention.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to shift the windows by.
        drop_path (float): Probability to drop a branch, per image.
        bias_resize (str): How loaded bias tables are resized.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, shift: int, drop_path: float,
                 bias_resize: str) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = ShiftedWindowAttention(channels, num_heads, window_size, shift, bias_resize)
        self.norm2 = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels, 4 * channels)
        self.drop_path = StochasticDepth(drop_path, mode='row') if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C)."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.ffn(self.norm2(x)))


class SwinStage(nn.Module):
    """The blocks at one resolution, every second one shifted, and the merging that leads to the next stage.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads of the attention.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to shift every second block by.
        drop_paths (Sequence[float]): Drop rate of each block; its length is the depth.
        downsample (bool): Whether a merging follows.
        with_cp (bool): Recompute the blocks in the backward pass instead of keeping their activations.
        bias_resize (str): How loaded bias tables are resized.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, shift: int, drop_paths: Sequence[float],
                 downsample: bool, with_cp: bool, bias_resize: str) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.blocks = nn.ModuleList(
            SwinBlock(channels, num_heads, window_size, shift if i % 2 else 0, drop_path, bias_resize)
            for i, drop_path in enumerate(drop_paths))
        self.downsample = PatchMerging(channels) if downsample else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C), before the merging."""
        for block in self.blocks:
            if self.with_cp and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return x


@MODELS.register_module()
class SwinTransformer(Encoder):
    """`Swin Transformer <https://arxiv.org/abs/2103.14030>`_ that also takes a mask.

    State-dict keys are those of mmpretrain, mmdet and mmsegmentation. Bias tables of other windows are resized while
    loading, in whatever way the file is loaded; index buffers in it are passed over.

    Args:
        arch (str | dict): ``'tiny'``, ``'small'``, ``'base'``, ``'large'`` (or their first letters), or a dict of
            ``embed_dims`` (int), ``depths`` and ``num_heads`` (one int per stage).
        img_size (int | tuple[int, int], optional): Size of the images, pixels (H, W), known beforehand, as in
            pre-training and classification: a window that is not smaller than its map becomes the map and is not
            shifted, decided here once as in the official code. None, for detection and segmentation: windows as
            given, padded and shifted on any map. Images of any size are accepted either way. Defaults to None.
        patch_size (int): Side of a patch, pixels. Defaults to 4.
        in_channels (int): Channels of the images. Defaults to 3.
        window_size (int | Sequence[int]): Side of a window, tokens; one for all stages or one per stage.
            Defaults to 7.
        drop_path_rate (float): Rate of stochastic depth at the last block, growing linearly from 0 at the first.
            Defaults to 0.1.
        out_indices (Sequence[int]): Stages whose normalised maps are returned. Defaults to (3, ).
        with_cp (bool): Save memory by recomputing each block in the backward pass. Defaults to False.
        frozen_stages (int): As in mmpretrain: the patch embedding and stages 0 to this one stay as they are; -1
            freezes nothing. Defaults to -1.
        bias_resize (str): How loaded bias tables are resized: ``'geometric'`` as official SimMIM fine-tuning,
            ``'bicubic'`` as supervised Swin, mmdet and mmsegmentation. Defaults to ``'geometric'``.
        init_cfg (dict, optional): MMEngine initialisation, e.g. ``dict(type='Pretrained', checkpoint=...,
            prefix='backbone.')``. Without it the official initialisation holds.

    Raises:
        ValueError: If ``arch``, ``window_size``, ``out_indices`` or ``frozen_stages`` do not fit together.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import SwinTransformer
        >>> backbone = SwinTransformer('tiny', out_indices=(0, 1, 2, 3))
        >>> [tuple(x.shape) for x in backbone(torch.zeros(1, 3, 203, 334))]
        [(1, 96, 51, 84), (1, 192, 26, 42), (1, 384, 13, 21), (1, 768, 7, 11)]
    """

    required_parts = ('patch_embed.', 'stages.')

    def __init__(self,
                 arch: str | dict = 'tiny',
                 img_size: int | tuple[int, int] | None = None,
                 patch_size: int = 4,
                 in_channels: int = 3,
                 window_size: int | Sequence[int] = 7,
                 drop_path_rate: float = 0.1,
                 out_indices: Sequence[int] = (3, ),
                 with_cp: bool = False,
                 frozen_stages: int = -1,
                 bias_resize: str = 'geometric',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.embed_dims, self.depths, num_heads = parse_arch(arch, ARCHITECTURES)
        num_stages = len(self.depths)
        self.in_channels = in_channels
        self.out_indices = check_out_indices(out_indices, num_stages)
        self.frozen_stages = check_frozen_stages(frozen_stages, num_stages)

        self.patch_embed = PatchEmbed(in_channels, self.embed_dims, patch_size)
        windows = windows_and_shifts(window_size, img_size, patch_size, num_stages)
        drop_paths = split_drop_path(drop_path_rate, self.depths)
        self.stages = nn.ModuleList(
            SwinStage(
                self.embed_dims * 2**i, num_heads[i], *windows[i], drop_paths=drop_paths[i],
                downsample=i < num_stages - 1, with_cp=with_cp, bias_resize=bias_resize)
            for i in range(num_stages))
        for i in self.out_indices:
            self.add_module(f'norm{i}', nn.LayerNorm(self.embed_dims * 2**i))
        self.apply(_initialise)
        self._freeze()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x (Tensor): Normalised images, shape (B, in_channels, H, W).
            mask (Tensor, optional): Shape (B, H / patch_size, W / patch_size), 1 = masked.

        Returns:
            tuple[Tensor]: For each of ``out_indices`` a map of shape (B, embed_dims * 2**i, H / s, W / s),
            s = patch_size * 2**i, sizes rounded up.

        Raises:
            ValueError: If the images have other channels, the mask is not on the grid of tokens, or there is no
                mask token.
        """
        self._require_channels(x)
        x = self.patch_embed(x)
        if mask is not None:
            x = replace_masked_tokens(x, mask, self._require_mask_token())
        outs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.out_indices:
                norm = getattr(self, f'norm{i}')
                outs.append(norm(x).permute(0, 3, 1, 2).contiguous())
            if stage.downsample is not None:
                x = stage.downsample(x)
        return tuple(outs)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates (``get_swin_layer`` in the official ``optimizer.py``).

        Args:
            param_name (str): Name of the parameter.
            prefix (str): What stands before the backbone's own names. Defaults to ''.

        Returns:
            tuple[int, int]: Depth, 0 at the patch embedding, and the number of depths; whatever is no block,
            embedding or merging has the last.
        """
        num_depths = sum(self.depths) + 2
        name = param_name[len(prefix):].split('.') if param_name.startswith(prefix) else ['']
        if name[0] in ('patch_embed', 'mask_token'):
            return 0, num_depths
        if name[0] == 'stages':
            stage = int(name[1])
            block = int(name[3]) + 1 if name[2] == 'blocks' else self.depths[stage]
            return sum(self.depths[:stage]) + block, num_depths
        return num_depths - 1, num_depths

    def _frozen_modules(self) -> Iterator[nn.Module]:
        if self.frozen_stages < 0:
            return
        yield self.patch_embed
        yield from self.stages[:self.frozen_stages + 1]
        yield from (getattr(self, f'norm{i}') for i in self.out_indices if i <= self.frozen_stages)


def _initialise(module: nn.Module) -> None:
    """Official initialisation: normal weights and bias tables (sigma 0.02), zero biases; convolutions as PyTorch's."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, ShiftedWindowAttention):
        nn.init.trunc_normal_(module.w_msa.relative_position_bias_table, std=0.02)
