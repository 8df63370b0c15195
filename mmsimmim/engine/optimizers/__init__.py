"""Which parameter learns how fast."""

from .layer_decay import LearningRateDecayOptimWrapperConstructor

__all__ = ['LearningRateDecayOptimWrapperConstructor']
