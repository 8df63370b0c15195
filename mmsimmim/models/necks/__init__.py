"""From the last map of the encoder to predictions (the paper's "prediction heads")."""

from .linear import SimMIMLinearDecoder

__all__ = ['SimMIMLinearDecoder']
