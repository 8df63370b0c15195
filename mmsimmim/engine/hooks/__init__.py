"""Hooks."""

from .checkpoint import CheckpointHook
from .seed_step import SeedStepHook
from .skipped_files import SkippedFilesHook

__all__ = ['CheckpointHook', 'SeedStepHook', 'SkippedFilesHook']
