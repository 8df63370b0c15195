"""Fully sharded data parallelism, for encoders that are too large for one GPU."""

from .sharding import BLOCKS, free_whole, is_sharded, shard, units_of
from .state import gather, load_full, local_shard, with_shards_of, without_weights
from .strategy import FSDPStrategy

__all__ = [
    'BLOCKS', 'FSDPStrategy', 'free_whole', 'gather', 'is_sharded', 'load_full', 'local_shard', 'shard', 'units_of',
    'with_shards_of', 'without_weights'
]
