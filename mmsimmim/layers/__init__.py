"""Building blocks in plain PyTorch: no registry, no MMEngine."""

from .attention import CosineWindowAttention, WindowAttention
from .feed_forward import FeedForward
from .global_attention import ChunkedPositionBias, GlobalAttention, RelativePositionBias
from .mask_token import replace_masked_tokens
from .patches import PatchEmbed, PatchMerging, PatchSplitting
from .position_bias import log_spaced_offsets, relative_position_index, resize_bias_table, resize_token_bias_table
from .position_embedding import fit_position_embedding, resize_position_embedding
from .recompute import call_block, check_with_cp
from .stochastic_depth import stochastic_depth
from .transformer_block import TransformerBlock
from .windows import ShiftedWindowAttention, window_partition, window_reverse

__all__ = [
    'CosineWindowAttention', 'FeedForward', 'GlobalAttention', 'PatchEmbed', 'PatchMerging', 'PatchSplitting',
    'ChunkedPositionBias', 'RelativePositionBias', 'ShiftedWindowAttention', 'TransformerBlock', 'WindowAttention',
    'call_block', 'check_with_cp', 'fit_position_embedding', 'log_spaced_offsets', 'relative_position_index',
    'replace_masked_tokens', 'resize_bias_table', 'resize_position_embedding', 'resize_token_bias_table',
    'stochastic_depth', 'window_partition', 'window_reverse'
]
