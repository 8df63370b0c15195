"""Rebuild ``demo/data`` from the two PyPI packages its images come from.

    python tools/dataset_converters/build_demo_data.py                        # fetch the packages, write demo/data
    python tools/dataset_converters/build_demo_data.py --archives A.whl B.whl # the same from files already here
    python tools/dataset_converters/build_demo_data.py --check                # is demo/data what this script writes?

What comes out (coordinates in pixels, origin in the upper left corner):

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
one could be asked to find it: it is marked ``iscrowd``, which training and COCO evaluation leave out of account.
"""
import argparse
import filecmp
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

PACKAGES = {'deepforest': '2.1.0', 'stardist': '0.9.2'}

# Every file taken from a package, with its SHA-256: wheels and source archives of all platforms carry the same bytes.
SHA256 = {
    'deepforest/data/2019_YELL_2_528000_4978000_image_crop2.png':
    'a9bdb0f4447fdd899d22f567e0e20ba8320c5413b2ad0cd0ac8d9f3b6e0f9767',
    'deepforest/data/2019_YELL_2_528000_4978000_image_crop2.xml':
    'bd431af6a5086d721eb731b22f5ea28cd8a8eab06883efc1c665391acbc68e11',
    'deepforest/data/2019_YELL_2_541000_4977000_image_crop.png':
    '178e58a23cc2642226a364a30f71bd9258ddc1b012c826f12250914a90c7a131',
    'deepforest/data/2019_YELL_2_541000_4977000_image_crop.xml':
    'cefe4b96888bacbf8af1674f000082e549aa707aa6590d545effb23e43f26631',
    'deepforest/data/OSBS_029.png': 'd9477c6a00e4902c7bee487d4c5582c3b8b9a2f77f3908a29628b816b291e6ee',
    'deepforest/data/OSBS_029.xml': '1f68c4011d7b351c29ca755072e77f3d16e6fd1f995bd05a9dd4eb952b55373c',
    'deepforest/data/SOAP_031.png': '506af051225465bd575e0e3ca0da1e6b8a269464d2144a0415829da78fcd1527',
    'deepforest/data/SOAP_061.png': '256508f1a62149bec4a80879077a865caf50e8cace095e6564c76befa480d424',
    'stardist/data/images/img2d.tif': 'f9ccc1571b92c861ff87e28463068b43f61bd47357ed0503f711e5cd1eb97750',
    'stardist/data/images/mask2d.tif': '59ad5e820b7982ca9d13e946fa6e7f64e2714899e00a2ae6c69aa79aad53d46f',
}

AERIAL_TILE = 256
NUCLEI_TILE = 128
JPEG_QUALITY = 85
MIN_KEPT_AREA = 0.5
MIN_SIDE = 8


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


class Tile(NamedTuple):
    """A rectangle of a source image; ``x1`` and ``y1`` are exclusive."""

    row: int
    col: int
    x0: int
    y0: int
    x1: int
    y1: int


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
    parser.add_argument('--out', type=Path, default=Path(__file__).resolve().parents[2] / 'demo' / 'data')
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


# ---- sources


def fetch_packages(folder: Path) -> list[Path]:
    """Download the pinned packages (without their dependencies) through pip."""
    wanted = [f'{name}=={version}' for name, version in PACKAGES.items()]
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', str(folder), *wanted]
    if subprocess.run(command).returncode != 0:
        raise SystemExit(f'Could not download {" and ".join(wanted)} with pip. Get the files in another way, for '
                         f'instance with "pip download --no-deps {" ".join(wanted)}", and name them with --archives.')
    return sorted(folder.iterdir())


def read_sources(archives: Sequence[Path]) -> dict[str, bytes]:
    """Read the wanted files out of wheels (.whl) or source archives (.tar.gz) and verify each.

    Returns:
        dict: Path inside the package -> content.

    Raises:
        SystemExit: When a file is missing or is not the one this script was written for.
    """
    found = {}
    for archive in archives:
        for name, read in archive_members(archive):
            key = next((key for key in SHA256 if name == key or name.endswith('/' + key)), None)
            if key is not None:
                found[key] = read()
    versions = ', '.join(f'{name} {version}' for name, version in PACKAGES.items())
    for key, expected in SHA256.items():
        if key not in found:
            raise SystemExit(f'{key} is in none of {[str(path) for path in archives]}; expected are {versions}.')
        if hashlib.sha256(found[key]).hexdigest() != expected:
            raise SystemExit(f'{key} is not the file of {versions}: its SHA-256 differs from {expected}.')
    return found


def archive_members(path: Path) -> list[tuple[str, Callable[[], bytes]]]:
    """List (name, function that reads it) for the files of a zip or tar archive."""
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        return [(name, lambda name=name: archive.read(name)) for name in archive.namelist()]
    if path.is_file() and tarfile.is_tarfile(path):
        archive = tarfile.open(path)
        return [(member.name, lambda member=member: archive.extractfile(member).read()) for member in archive
                if member.isfile()]
    raise SystemExit(f'{path} is neither a wheel nor a source archive.')


def decode(content: bytes, flags: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), flags)


def read_boxes(content: bytes) -> np.ndarray:
    """Read the boxes of a Pascal VOC file: float64 of shape (N, 4), x0 y0 x1 y1."""
    corners = ('xmin', 'ymin', 'xmax', 'ymax')
    boxes = ElementTree.fromstring(content).iter('bndbox')
    return np.array([[float(box.find(corner).text) for corner in corners] for box in boxes]).reshape(-1, 4)


# ---- tiling


def tile_grid(height: int, width: int, size: int) -> list[Tile]:
    """Divide an image into tiles as equal as whole pixels allow, each side as near to ``size`` as can be."""
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


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run-length code: lengths of alternating runs, column by column, the first of background."""
    flat = np.concatenate([[0], mask.astype(np.int8).ravel(order='F')])
    changes = np.flatnonzero(np.diff(flat))
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


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
