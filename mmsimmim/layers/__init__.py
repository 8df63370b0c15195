"""Building blocks in plain PyTorch: no registry, no MMEngine."""

from .attention import ShiftedWindowAttention, WindowAttention, window_partition, window_reverse
from .feed_forward import FeedForward
from .mask_token import replace_masked_tokens
from .patches import PatchEmbed, PatchMerging
from .position_bias import relative_position_index, resize_bias_table

__all__ = [
    'FeedForward', 'PatchEmbed', 'PatchMerging', 'ShiftedWindowAttention', 'WindowAttention',
    'relative_position_index', 'replace_masked_tokens', 'resize_bias_table', 'window_partition', 'window_reverse'
]
