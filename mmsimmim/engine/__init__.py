"""Around the training loop."""

from . import checkpoint_loading  # noqa: F401  it makes itself known to MMEngine
from .hooks import CheckpointHook, FeatureProbeHook, ReconstructionHook, SeedStepHook, SkippedFilesHook
from .schedulers import WarmupCosineLR, WarmupMultiStepLR

__all__ = [
    'CheckpointHook', 'FeatureProbeHook', 'ReconstructionHook', 'SeedStepHook', 'SkippedFilesHook', 'WarmupCosineLR',
    'WarmupMultiStepLR'
]
