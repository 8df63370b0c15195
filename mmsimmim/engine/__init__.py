"""Parts of a run that a config names."""

from .fsdp import FSDPStrategy
from .hooks import (
    CheckClassesHook,
    CheckpointHook,
    CompileHook,
    CompressGradientsHook,
    EMAHook,
    FeatureProbeHook,
    FiniteHook,
    LoggerHook,
    PreemptionHook,
    ReconstructionHook,
    RuntimeInfoHook,
    SeedStepHook,
    SkippedFilesHook,
)
from .loops import IterBasedTrainLoop
from .optimizers import LearningRateDecayOptimWrapperConstructor
from .schedulers import WarmupCosineLR, WarmupMultiStepLR
from .test_loop import MultiSetTestLoop

__all__ = [
    'CheckClassesHook', 'CheckpointHook', 'CompileHook', 'CompressGradientsHook', 'EMAHook', 'FSDPStrategy',
    'FeatureProbeHook', 'FiniteHook', 'IterBasedTrainLoop', 'LearningRateDecayOptimWrapperConstructor', 'LoggerHook',
    'MultiSetTestLoop', 'PreemptionHook', 'ReconstructionHook', 'RuntimeInfoHook', 'SeedStepHook', 'SkippedFilesHook',
    'WarmupCosineLR', 'WarmupMultiStepLR'
]
