"""Measures of pre-training."""

from .reconstruction import ReconstructionLoss

__all__ = ['ReconstructionLoss']
