"""Around the training loop."""

from ..checkpoints import loading  # noqa: F401  it makes itself known to MMEngine
from .fsdp import FSDPStrategy
from .hooks import (
    CheckClassesHook,
    CheckpointHook,
    CompileHook,
    CompressGradientsHook,
    FeatureProbeHook,
    ReconstructionHook,
    RuntimeInfoHook,
    SeedStepHook,
    SkippedFilesHook,
)
from .loops import IterBasedTrainLoop
from .optimizers import LearningRateDecayOptimWrapperConstructor
from .schedulers import WarmupCosineLR, WarmupMultiStepLR

__all__ = [
    'CheckClassesHook', 'CheckpointHook', 'CompileHook', 'CompressGradientsHook', 'FSDPStrategy',
    'FeatureProbeHook', 'IterBasedTrainLoop', 'LearningRateDecayOptimWrapperConstructor', 'ReconstructionHook',
    'RuntimeInfoHook', 'SeedStepHook', 'SkippedFilesHook', 'WarmupCosineLR', 'WarmupMultiStepLR'
]
