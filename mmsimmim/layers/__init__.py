"""Building blocks in plain PyTorch: no registry, no MMEngine."""

from .attention import CosineWindowAttention, WindowAttention
from .feed_forward import FeedForward
from .mask_token import replace_masked_tokens
from .patches import PatchEmbed, PatchMerging
from .position_bias import log_spaced_offsets, relative_position_index, resize_bias_table
from .windows import ShiftedWindowAttention, window_partition, window_reverse

__all__ = [
    'CosineWindowAttention', 'FeedForward', 'PatchEmbed', 'PatchMerging', 'ShiftedWindowAttention', 'WindowAttention',
    'log_spaced_offsets', 'relative_position_index', 'replace_masked_tokens', 'resize_bias_table', 'window_partition',
    'window_reverse'
]
