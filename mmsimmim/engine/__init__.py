"""Around the training loop."""

from .hooks import CheckpointHook, FeatureProbeHook, ReconstructionHook, SeedStepHook, SkippedFilesHook
from .schedulers import WarmupCosineLR, WarmupMultiStepLR

__all__ = [
    'CheckpointHook', 'FeatureProbeHook', 'ReconstructionHook', 'SeedStepHook', 'SkippedFilesHook', 'WarmupCosineLR',
    'WarmupMultiStepLR'
]
