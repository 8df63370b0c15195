"""Hooks."""

from .checkpoint import CheckpointHook
from .reconstruction import ReconstructionHook
from .seed_step import SeedStepHook
from .skipped_files import SkippedFilesHook

__all__ = ['CheckpointHook', 'ReconstructionHook', 'SeedStepHook', 'SkippedFilesHook']
