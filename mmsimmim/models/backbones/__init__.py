"""Encoders: one class for pre-training, classification, detection and segmentation."""

from .swin import SwinTransformer

__all__ = ['SwinTransformer']
