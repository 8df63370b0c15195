"""Hooks."""

from .check_classes import CheckClassesHook
from .checkpoint import CheckpointHook
from .compile import CompileHook
from .compress_gradients import CompressGradientsHook
from .ema import EMAHook
from .feature_probe import FeatureProbeHook
from .finite import FiniteHook
from .logger import LoggerHook
from .preemption import PreemptionHook
from .reconstruction import ReconstructionHook
from .runtime_info import RuntimeInfoHook
from .seed_step import SeedStepHook
from .skipped_files import SkippedFilesHook

__all__ = [
    'CheckClassesHook', 'CheckpointHook', 'CompileHook', 'CompressGradientsHook', 'EMAHook', 'FeatureProbeHook',
    'FiniteHook', 'LoggerHook', 'PreemptionHook', 'ReconstructionHook', 'RuntimeInfoHook', 'SeedStepHook',
    'SkippedFilesHook'
]
