"""Learning rates and weight decay by parameter."""

from .layer_decay import LearningRateDecayOptimWrapperConstructor

__all__ = ['LearningRateDecayOptimWrapperConstructor']
