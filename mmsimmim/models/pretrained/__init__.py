"""Whole modules from checkpoints alone, without a config: :func:`mmsimmim.load`."""

from .load import File, load, read_file

__all__ = ['File', 'load', 'read_file']
