"""Checkpoints of other code bases."""

from .convert import convert_state_dict
from .engine import UnknownCheckpoint
from .recognise import Contents, recognise

__all__ = ['Contents', 'UnknownCheckpoint', 'convert_state_dict', 'recognise']
