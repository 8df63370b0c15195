"""Folders of images packed into one file."""

from .image_folder import PackedImageFolder

__all__ = ['PackedImageFolder']
