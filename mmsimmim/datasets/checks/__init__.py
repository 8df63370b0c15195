"""Checks of labelled datasets before training."""

from .config import check_config
from .files import Reading
from .report import Report

__all__ = ['Reading', 'Report', 'check_config']
