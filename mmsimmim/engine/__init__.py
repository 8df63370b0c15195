"""Around the training loop."""

from .hooks import CheckpointHook, ReconstructionHook, SeedStepHook, SkippedFilesHook
from .schedulers import WarmupCosineLR, WarmupMultiStepLR

__all__ = [
    'CheckpointHook', 'ReconstructionHook', 'SeedStepHook', 'SkippedFilesHook', 'WarmupCosineLR', 'WarmupMultiStepLR'
]
