"""Encoders: one class for pre-training, classification, detection and segmentation."""

from .swin import SwinTransformer
from .swin_v2 import SwinTransformerV2
from .vit import VisionTransformer

__all__ = ['SwinTransformer', 'SwinTransformerV2', 'VisionTransformer']
