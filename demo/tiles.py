"""Tiles of a large image, and their annotations in COCO format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

JPEG_QUALITY = 85
MIN_KEPT_AREA = 0.5
MIN_SIDE = 8


class Tile(NamedTuple):
    """A rectangle of a source image; ``x1`` and ``y1`` are exclusive."""

    row: int
    col: int
    x0: int
    y0: int
    x1: int
    y1: int


def tile_grid(height: int, width: int, size: int) -> list[Tile]:
    """Divide an image into tiles of nearly equal size, each side as near to ``size`` as possible."""
    counts = (max(1, round(length / size)) for length in (height, width))
    ys, xs = (np.linspace(0, length, n + 1).round().astype(int) for length, n in zip((height, width), counts))
    return [
        Tile(row, col, int(xs[col]), int(ys[row]), int(xs[col + 1]), int(ys[row + 1])) for row in range(len(ys) - 1)
        for col in range(len(xs) - 1)
    ]


def clip_box(box: Sequence[float], tile: Tile) -> tuple[list[float], bool] | None:
    """Clip one box to a tile.

    Args:
        box (Sequence[float]): x0, y0, x1, y1 in the source image.
        tile (Tile): The tile.

    Returns:
        tuple | None: The box as x, y, width, height in the tile, and whether it is too small a rest to count. None when
        nothing of it (or less than two pixels' width) is inside.
    """
    x0, y0 = max(box[0], tile.x0), max(box[1], tile.y0)
    width, height = min(box[2], tile.x1) - x0, min(box[3], tile.y1) - y0
    if min(width, height) < 2:
        return None
    whole = (box[2] - box[0]) * (box[3] - box[1])
    cut = width * height < whole
    rest = cut and (width * height < MIN_KEPT_AREA * whole or min(width, height) < MIN_SIDE)
    return [x0 - tile.x0, y0 - tile.y0, width, height], rest


class CocoWriter:
    """Collects the images and annotations of one split and writes them as one COCO file."""

    def __init__(self, category: str):
        self.images, self.annotations = [], []
        self.categories = [dict(id=1, name=category)]

    def add_image(self, file_name: str, tile: Tile, source: str) -> int:
        """Add a tile; ``source`` and ``offset`` say where it was cut, which shows that splits are disjoint."""
        image_id = len(self.images) + 1
        self.images.append(
            dict(
                id=image_id,
                file_name=file_name,
                width=tile.x1 - tile.x0,
                height=tile.y1 - tile.y0,
                source=source,
                offset=[tile.x0, tile.y0]))
        return image_id

    def add_annotation(self, image_id: int, bbox: Sequence[float], area: float, iscrowd: bool, **extra) -> None:
        self.annotations.append(
            dict(
                id=len(self.annotations) + 1,
                image_id=image_id,
                category_id=1,
                bbox=[int(value) if float(value).is_integer() else round(float(value), 2) for value in bbox],
                area=int(area),
                iscrowd=int(iscrowd),
                **extra))

    def write(self, path: Path) -> None:
        content = dict(images=self.images, annotations=self.annotations, categories=self.categories)
        path.write_text(json.dumps(content, separators=(',', ':')) + '\n')


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == '.jpg' else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run-length code: lengths of alternating runs, column by column, the first of background."""
    flat = np.concatenate([[0], mask.astype(np.int8).ravel(order='F')])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
