"""Encoders: one class for pre-training, classification, detection and segmentation."""

from .swin import SwinTransformer
from .swin_v2 import SwinTransformerV2

__all__ = ['SwinTransformer', 'SwinTransformerV2']
