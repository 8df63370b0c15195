"""Necks: prediction of pixels (the paper's "prediction heads"), and the feature pyramid for detectors."""

from .feature_pyramid import SimpleFeaturePyramid
from .inverse_swin import SimMIMInverseSwinDecoder
from .linear import SimMIMLinearDecoder
from .mlp import SimMIMMLPDecoder

__all__ = ['SimMIMInverseSwinDecoder', 'SimMIMLinearDecoder', 'SimMIMMLPDecoder', 'SimpleFeaturePyramid']
