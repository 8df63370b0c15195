"""Whole modules from checkpoints alone, without a config: :func:`mmsimmim.load`."""

from .load import load

__all__ = ['load']
