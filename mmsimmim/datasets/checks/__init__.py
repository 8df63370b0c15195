"""Faults of labelled datasets, found before a training meets them."""

from .config import check_config
from .files import Reading
from .report import Report

__all__ = ['Reading', 'Report', 'check_config']
