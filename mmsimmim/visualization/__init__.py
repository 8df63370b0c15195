"""Visualization of reconstructions."""

from .panels import CAPTIONS, draw_row, hide_masked, make_tiles, paste_visible, stack_rows, to_display
from .pictures import PictureLoader
from .reconstruction import Reconstruction, draw_sheet, reconstruct, require_pixel_model, side_multiple

__all__ = [
    'CAPTIONS', 'PictureLoader', 'Reconstruction', 'draw_row', 'draw_sheet', 'hide_masked', 'make_tiles',
    'paste_visible', 'reconstruct', 'require_pixel_model', 'side_multiple', 'stack_rows', 'to_display'
]
