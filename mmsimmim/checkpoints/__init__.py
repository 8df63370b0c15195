"""Checkpoints of other code bases."""

from .contents import Contents
from .convert import convert_state_dict
from .engine import UnknownCheckpoint, known_part
from .reading.files import read_checkpoint, write_checkpoint
from .recognise import recognise
from .weights import state_dict_of

__all__ = [
    'Contents', 'UnknownCheckpoint', 'convert_state_dict', 'known_part', 'read_checkpoint', 'recognise',
    'state_dict_of', 'write_checkpoint'
]
