"""Behind the encoder: predictions of pixels (the paper's "prediction heads"), and the pyramid that detectors want."""

from .feature_pyramid import SimpleFeaturePyramid
from .linear import SimMIMLinearDecoder

__all__ = ['SimMIMLinearDecoder', 'SimpleFeaturePyramid']
