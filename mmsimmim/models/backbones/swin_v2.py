"""Swin Transformer V2: the same class for pre-training and at any other window or resolution."""

import logging
import re
from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from ...architectures import SWIN_V2
from ...layers import CosineWindowAttention, FeedForward, PatchMerging, ShiftedWindowAttention, stochastic_depth
from ...registry import MODELS
from .foreign_arguments import refuse_foreign_arguments
from .hierarchy import (
    HierarchicalEncoder,
    Stage,
    check_sequential_stages,
    parse_arch,
    per_stage,
    split_drop_path,
    windows_and_shifts,
)


class SwinBlockV2(nn.Module):
    """Window attention and an MLP, each followed by a norm and beside a residual connection.

    A dropped branch adds nothing, as in the official code; mmpretrain drops before the norm, so that its bias remains.

    Args:
        channels (int): Channels of a token.
        num_heads (int): Heads of the attention.
        window_size (int): Side of a window, tokens.
        shift (int): Tokens to shift the windows by.
        pretrained_window_size (int): Side of the window in pre-training, tokens; 0 for the same.
        drop_path (float): Probability to drop a branch, per image.
        extra_norm (bool): Whether the sum, too, is normalised in the end.
        sequential (bool): Whether to attend in one group of windows after another.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, shift: int, pretrained_window_size: int,
                 drop_path: float, extra_norm: bool, sequential: bool) -> None:
        super().__init__()
        attention = CosineWindowAttention(channels, num_heads, window_size, pretrained_window_size)
        self.attn = ShiftedWindowAttention(attention, window_size, shift, sequential)
        self.norm1 = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels, 4 * channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels) if extra_norm else nn.Identity()
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C)."""
        return self.feed_forward(x + self.drop_path(self.norm1(self.attn(x))))

    def feed_forward(self, x: Tensor) -> Tensor:
        """The second branch and the sum, token by token: (..., C) to (..., C)."""
        return self.norm3(x + self.drop_path(self.norm2(self.ffn(x))))


@MODELS.register_module()
class SwinTransformerV2(HierarchicalEncoder):
    """`Swin Transformer V2 <https://arxiv.org/abs/2111.09883>`_ that also takes a mask.

    Cosine attention, a position bias that is a learned function of log-spaced offsets, and norms after each branch.
    Nothing is resized for another window or resolution; set the windows of pre-training instead. State-dict keys are
    those of mmpretrain; index, coordinate and mask buffers in a file are ignored.

    Named architectures, with the parameters of the encoder alone:

    ========== === ============ ================= ==========
    name       C   depths       heads             parameters
    ========== === ============ ================= ==========
    atto       24  2, 2, 2, 2   1, 2, 4, 8        1.31 M
    femto      48  2, 2, 2, 2   2, 4, 8, 16       5.15 M
    nano       64  2, 2, 6, 2   2, 4, 8, 16       12.3 M
    tiny       96  2, 2, 6, 2   3, 6, 12, 24      27.6 M
    small      96  2, 2, 18, 2  3, 6, 12, 24      49.0 M
    base       128 2, 2, 18, 2  4, 8, 16, 32      86.9 M
    large      192 2, 2, 18, 2  6, 12, 24, 48     195 M
    huge       352 2, 2, 18, 2  8, 16, 32, 64     655 M
    giant      512 2, 2, 42, 4  16, 32, 64, 128   2998 M
    giant-1b   448 2, 2, 18, 2  14, 28, 56, 112   1061 M
    ========== === ============ ================= ==========

    ``atto``, ``femto`` and ``nano`` are ours and in no paper: for CPUs and the GPUs of laptops. The 658 M and 3.0 B of
    the paper count a classifier of 1000 classes. ``huge`` and ``giant`` have one more norm after
    every sixth block of a stage; the paper gives their C and depths but not their heads, which are mmpretrain's here,
    so that its weights fit. ``giant-1b`` is the "g" of `the study of data scaling
    <https://arxiv.org/abs/2206.04664>`_, with 32 channels per head as in ``tiny`` to ``large``. A file with other heads
    is refused when it is loaded: give ``arch`` as a dict then.

    Args:
        arch (str | dict): A name of the table (or its first letter; ``'g'`` is ``'giant'``), or a dict of
            ``embed_dims`` (int), ``depths`` and ``num_heads`` (one int per stage) and, if wanted,
            ``extra_norm_every_n_blocks`` (int, 0 for none).
        img_size (int | tuple[int, int], optional): Size of the images, pixels (H, W), known beforehand, as in
            pre-training and classification: a window that is not smaller than its map becomes the map and is not
            shifted, decided here once as in the official code. None, for detection and segmentation: windows as
            given, padded and shifted on any map. Images of any size are accepted either way. Defaults to None.
        patch_size (int): Side of a patch, pixels. Defaults to 4.
        in_channels (int): Channels of the images. Defaults to 3.
        window_size (int | Sequence[int]): Side of a window, tokens; one for all stages or one per stage.
            Defaults to 8.
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
        frozen_stages (int): As in mmpretrain: the patch embedding and stages 0 to this one, each with the merging
            before it, stay as they are; -1 freezes nothing. Defaults to -1.
        pretrained_window_sizes (int | Sequence[int]): Windows of the weights that are loaded, as the stages really
            had them: (12, 12, 12, 6) after pre-training with window 12 at 192 pixels. 0 stands for the stage's own
            window. A file that tells of others is loaded with a warning. Defaults to 0.
        init_cfg (dict, optional): MMEngine initialisation, e.g. ``dict(type='Pretrained', checkpoint=...,
            prefix='backbone.')``. Without it the official initialisation holds: the norms after the branches begin
            at 0, so that each block begins as the identity.

    Raises:
        TypeError: If there is any other argument; of those that other Swins have, it says what to set instead.
        ValueError: If ``arch``, ``window_size``, ``pretrained_window_sizes``, ``out_indices``, ``sequential_stages`` or
            ``frozen_stages`` do not fit together.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import SwinTransformerV2
        >>> backbone = SwinTransformerV2('tiny', out_indices=(0, 1, 2, 3))
        >>> [tuple(x.shape) for x in backbone(torch.zeros(1, 3, 203, 334))]
        [(1, 96, 51, 84), (1, 192, 26, 42), (1, 384, 13, 21), (1, 768, 7, 11)]
    """

    merges_after_blocks = False

    def __init__(self,
                 arch: str | dict = 'tiny',
                 img_size: int | tuple[int, int] | None = None,
                 patch_size: int = 4,
                 in_channels: int = 3,
                 window_size: int | Sequence[int] = 8,
                 drop_path_rate: float = 0.1,
                 out_indices: int | Sequence[int] = (3, ),
                 with_cp: bool | str = False,
                 sequential_stages: Sequence[int] = (),
                 frozen_stages: int = -1,
                 pretrained_window_sizes: int | Sequence[int] = 0,
                 init_cfg: dict | None = None,
                 **foreign: Any) -> None:
        refuse_foreign_arguments(type(self).__name__, foreign)
        embed_dims, depths, num_heads, norm_interval = parse_arch(
            arch, SWIN_V2, optional=('extra_norm_every_n_blocks', ))
        super().__init__(embed_dims, depths, patch_size, in_channels, out_indices, frozen_stages, init_cfg)
        windows = windows_and_shifts(window_size, img_size, patch_size, len(depths))
        pretrained_windows = per_stage('pretrained_window_sizes', pretrained_window_sizes, len(depths))
        sequential = check_sequential_stages(sequential_stages, len(depths))
        drop_paths = split_drop_path(drop_path_rate, depths)
        for i, (window, shift) in enumerate(windows):
            channels = embed_dims * 2**i
            blocks = [
                SwinBlockV2(
                    channels, num_heads[i], window, shift if j % 2 else 0, pretrained_windows[i], drop_path,
                    extra_norm=norm_interval > 0 and (j + 1) % norm_interval == 0, sequential=i in sequential)
                for j, drop_path in enumerate(drop_paths[i])]
            merging = PatchMerging(channels // 2, post_norm=True) if i > 0 else None
            self.stages.append(Stage(blocks, merging, with_cp, i in sequential))
        self._add_output_norms()
        self.apply(_initialise)
        self._freeze()

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        self._compare_windows(state_dict)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _compare_windows(self, state_dict: dict[str, Tensor]) -> None:
        """Warn of a file that was trained with other windows than the arguments say."""
        own = {i: stage.blocks[0].attn.w_msa.pretrained_window_size for i, stage in enumerate(self.stages)}
        trained = {**own, **trained_windows(state_dict)}
        if trained != own:
            print_log(f'{type(self).__name__}: the position bias of the checkpoint was trained with windows '
                      f'{tuple(trained.values())}, but is read as if with {tuple(own.values())}: set '
                      f'pretrained_window_sizes={tuple(trained.values())}', logger='current', level=logging.WARNING)


def _initialise(module: nn.Module) -> None:
    """Official initialisation (``_init_weights`` and ``_init_respostnorm`` of ``swin_transformer_v2.py``).

    Normal weights (sigma 0.02), zero biases, and zero norms after the branches; convolutions as PyTorch's.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, SwinBlockV2):
        for norm in (module.norm1, module.norm2):
            nn.init.zeros_(norm.weight)


def trained_windows(state_dict: dict[str, Tensor]) -> dict[int, int]:
    """The window of each stage in pre-training, as far as a file has mmpretrain's or official coordinate tables."""
    windows = {}
    for key, table in state_dict.items():
        match = re.search(r'(?:layers|stages)\.(\d+)\.blocks\.0\..*relative_coords_table$', key)
        if match and table.shape[1] > 1:
            middle = table.shape[1] // 2
            step = table[0, middle + 1, middle, 0].item()  # of an offset of 1, see log_spaced_offsets
            windows[int(match[1])] = 1 + round(8 / (2**(3 * step) - 1))
    return windows
