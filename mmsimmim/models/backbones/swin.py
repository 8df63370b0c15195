"""Swin Transformer: one class from pre-training to detection."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ...architectures import SWIN
from ...layers import FeedForward, PatchMerging, ShiftedWindowAttention, WindowAttention, stochastic_depth
from ...registry import MODELS
from .foreign_arguments import refuse_foreign_arguments
from .hierarchy import (
    HierarchicalEncoder,
    Stage,
    check_sequential_stages,
    parse_arch,
    split_drop_path,
    windows_and_shifts,
)


class SwinBlock(nn.Module):
    """Window attention and an MLP, each after a norm and beside a residual connection.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads of the attention.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to shift the windows by.
        drop_path (float): Probability to drop a branch, per image.
        bias_resize (str): How loaded bias tables are resized.
        sequential (bool): Whether to attend in one group of windows after another. Defaults to False.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, shift: int, drop_path: float,
                 bias_resize: str, sequential: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        attention = WindowAttention(channels, num_heads, window_size, bias_resize)
        self.attn = ShiftedWindowAttention(attention, window_size, shift, sequential)
        self.norm2 = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels, 4 * channels)
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C)."""
        return self.feed_forward(x + self.drop_path(self.attn(self.norm1(x))))

    def feed_forward(self, x: Tensor) -> Tensor:
        """The second branch and the sum, token by token: (..., C) to (..., C)."""
        return x + self.drop_path(self.ffn(self.norm2(x)))


def swin_blocks(channels: int, num_heads: int, window_size: int, shift: int, drop_paths: Sequence[float],
                bias_resize: str = 'geometric', sequential: bool = False) -> list[SwinBlock]:
    """The blocks of one stage, every second one of which has its windows shifted.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads of the attention.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to shift the windows by in the second block, the fourth, and so on.
        drop_paths (Sequence[float]): For each block the probability to drop a branch.
        bias_resize (str): How loaded bias tables are resized. Defaults to ``'geometric'``.
        sequential (bool): Whether to attend in one group of windows after another. Defaults to False.

    Returns:
        list[SwinBlock]: As many as ``drop_paths``.
    """
    return [SwinBlock(channels, num_heads, window_size, shift if i % 2 else 0, drop_path, bias_resize, sequential)
            for i, drop_path in enumerate(drop_paths)]


@MODELS.register_module()
class SwinTransformer(HierarchicalEncoder):
    """`Swin Transformer <https://arxiv.org/abs/2103.14030>`_ that also takes a mask.

    State-dict keys are those of mmpretrain, mmdet and mmsegmentation. Bias tables of other windows are resized while
    loading; index buffers in a file are ignored.

    Named architectures, with the parameters of the encoder alone, at window 7. The first three are ours and in no
    paper: for CPUs and the GPUs of laptops.

    ===== === =========== ============= ==========
    name  C   depths      heads         parameters
    ===== === =========== ============= ==========
    atto  24  2, 2, 2, 2  1, 2, 4, 8    1.29 M
    femto 48  2, 2, 2, 2  2, 4, 8, 16   5.12 M
    nano  64  2, 2, 6, 2  2, 4, 8, 16   12.3 M
    tiny  96  2, 2, 6, 2  3, 6, 12, 24  27.5 M
    small 96  2, 2, 18, 2 3, 6, 12, 24  48.8 M
    base  128 2, 2, 18, 2 4, 8, 16, 32  86.7 M
    large 192 2, 2, 18, 2 6, 12, 24, 48 195 M
    ===== === =========== ============= ==========

    Args:
        arch (str | dict): A name of the table (or its first letter), or a dict of ``embed_dims`` (int), ``depths`` and
            ``num_heads`` (one int per stage).
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
        out_indices (int | Sequence[int]): Stages whose normalised maps are returned, in the order of the stages.
            Defaults to (3, ).
        with_cp (bool | str): Save memory: True recomputes each block in the backward pass, ``'cheap'`` all but its
            matrix products and attention. Defaults to False.
        sequential_stages (Sequence[int]): Stages whose windows attend in one group after another, each group recomputed
            in the backward pass (`Swin V2, section 3.5 <https://arxiv.org/abs/2111.09883>`_). That saves memory where
            images and windows are large: set (0, 1) if 1536 pixels with windows of 32 do not fit. Results are the same
            up to rounding; ``with_cp='cheap'`` is as True in these stages. Defaults to ().
        frozen_stages (int): As in mmpretrain: the patch embedding and stages 0 to this one stay as they are; -1
            freezes nothing. Defaults to -1.
        bias_resize (str): How loaded bias tables are resized: ``'geometric'`` as official SimMIM fine-tuning,
            ``'bicubic'`` as supervised Swin, mmdet and mmsegmentation. Defaults to ``'geometric'``.
        init_cfg (dict, optional): MMEngine initialisation, e.g. ``dict(type='Pretrained', checkpoint=...,
            prefix='backbone.')``. Without it the official initialisation holds.

    Raises:
        TypeError: If there is any other argument; of those that other Swins have, it says what to set instead.
        ValueError: If ``arch``, ``window_size``, ``out_indices``, ``sequential_stages`` or ``frozen_stages`` do not fit
            together.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import SwinTransformer
        >>> backbone = SwinTransformer('tiny', out_indices=(0, 1, 2, 3))
        >>> [tuple(x.shape) for x in backbone(torch.zeros(1, 3, 203, 334))]
        [(1, 96, 51, 84), (1, 192, 26, 42), (1, 384, 13, 21), (1, 768, 7, 11)]
    """

    merges_after_blocks = True

    def __init__(self,
                 arch: str | dict = 'tiny',
                 img_size: int | tuple[int, int] | None = None,
                 patch_size: int = 4,
                 in_channels: int = 3,
                 window_size: int | Sequence[int] = 7,
                 drop_path_rate: float = 0.1,
                 out_indices: int | Sequence[int] = (3, ),
                 with_cp: bool | str = False,
                 sequential_stages: Sequence[int] = (),
                 frozen_stages: int = -1,
                 bias_resize: str = 'geometric',
                 init_cfg: dict | None = None,
                 **foreign: Any) -> None:
        refuse_foreign_arguments(type(self).__name__, foreign)
        embed_dims, depths, num_heads, _ = parse_arch(arch, SWIN)
        super().__init__(embed_dims, depths, patch_size, in_channels, out_indices, frozen_stages, init_cfg)
        windows = windows_and_shifts(window_size, img_size, patch_size, len(depths))
        sequential = check_sequential_stages(sequential_stages, len(depths))
        drop_paths = split_drop_path(drop_path_rate, depths)
        for i, (window, shift) in enumerate(windows):
            channels = embed_dims * 2**i
            blocks = swin_blocks(channels, num_heads[i], window, shift, drop_paths[i], bias_resize, i in sequential)
            merging = PatchMerging(channels) if i < len(depths) - 1 else None
            self.stages.append(Stage(blocks, merging, with_cp, i in sequential))
        self._add_output_norms()
        self.apply(initialise_swin)
        self._freeze()


def initialise_swin(module: nn.Module) -> None:
    """Official initialisation of one module, for ``nn.Module.apply`` (``_init_weights`` of ``swin_transformer.py``).

    Normal weights and bias tables (sigma 0.02), zero biases; convolutions as PyTorch's.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, WindowAttention):
        nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02)
