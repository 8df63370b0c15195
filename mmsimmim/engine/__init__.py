"""Around the training loop."""

from .hooks import CheckpointHook, SeedStepHook, SkippedFilesHook
from .schedulers import WarmupCosineLR, WarmupMultiStepLR

__all__ = ['CheckpointHook', 'SeedStepHook', 'SkippedFilesHook', 'WarmupCosineLR', 'WarmupMultiStepLR']
