"""Image files of every kind that a folder may hold, and what is right for a damaged one."""

import contextlib
import io
import os
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from mmsimmim.datasets import ImageFolder
from mmsimmim.datasets.checks.files import read_picture
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.transforms.loading.image_bytes import MAX_PIXELS, RASTER_FORMATS

GOOD = 'good.png'


def photograph(seed: int = 0, size: tuple[int, int] = (120, 160)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (10, 14, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))


def encode(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def image_files() -> dict[str, tuple[str, bytes]]:
    """Suffix and content of a whole file of each kind."""
    image, exif = photograph(), Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 200)
    large = photograph(1, (480, 640))
    files = {
        'JPEG, baseline': ('.jpg', encode(image, 'JPEG')),
        'JPEG, large': ('.jpg', encode(large, 'JPEG', subsampling=0)),
        'JPEG, progressive': ('.jpg', encode(image, 'JPEG', progressive=True)),
        'JPEG, restarts': ('.jpg', encode(image, 'JPEG', restart_marker_rows=1)),
        'JPEG, grey': ('.jpg', encode(image.convert('L'), 'JPEG')),
        'JPEG, CMYK': ('.jpg', encode(image.convert('CMYK'), 'JPEG')),
        'JPEG, EXIF': ('.jpg', encode(image, 'JPEG', exif=exif)),
        'PNG, colour': ('.png', encode(image, 'PNG')),
        'PNG, stored': ('.png', encode(image, 'PNG', compress_level=0)),
        'PNG, palette': ('.png', encode(image.quantize(64), 'PNG')),
        'PNG, 16 bits': ('.png', encode(deep, 'PNG')),
        'PNG, 1 bit': ('.png', encode(image.convert('1'), 'PNG')),
        'PNG, interlaced': ('.png', interlaced(np.asarray(image))),
        'TIFF, raw': ('.tif', encode(image, 'TIFF')),
        'TIFF, LZW': ('.tif', encode(image, 'TIFF', compression='tiff_lzw')),
        'TIFF, deflate': ('.tif', encode(image, 'TIFF', compression='tiff_adobe_deflate')),
        'TIFF, JPEG': ('.tif', encode(image, 'TIFF', compression='jpeg')),
        'BMP': ('.bmp', encode(image, 'BMP')),
        'WebP': ('.webp', encode(image, 'WEBP')),
        'WebP, lossless': ('.webp', encode(image, 'WEBP', lossless=True)),
        'GIF': ('.gif', encode(image, 'GIF')),
        'PPM': ('.ppm', encode(image, 'PPM')),
        'PGM': ('.pgm', encode(image.convert('L'), 'PPM')),
    }
    return files


def interlaced(pixels: np.ndarray) -> bytes:
    """A PNG file in Adam7's order, which Pillow does not write."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = [b'\0' + row.tobytes() for y, x, dy, dx in passes for row in pixels[y::dy, x::dx]]
    parts = [(b'IHDR', struct.pack('>IIBBBBB', *pixels.shape[1::-1], 8, 2, 0, 0, 1)),
             (b'IDAT', zlib.compress(b''.join(rows))), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(map(chunk, *zip(*parts)))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def with_other_header(data: bytes, random: np.random.Generator) -> bytes:
    """Other sizes where a file says its own, with checksums that are right."""
    sizes = (0, 1, 7, 100, 128, 161, 200, 640, 5000, 65535)
    height, width = (int(sizes[i]) for i in random.integers(len(sizes), size=2))
    if data.startswith(b'\x89PNG'):
        old = struct.unpack_from('>II', data, 16)
        width = old[0] if random.random() < 0.6 else width
        return data[:8] + chunk(b'IHDR', struct.pack('>II', width, height) + data[24:29]) + data[33:]
    if data.startswith(b'\xff\xd8'):
        place = max(data.find(b'\xff\xc0'), data.find(b'\xff\xc2')) + 5
        old = struct.unpack_from('>HH', data, place)
        width = old[1] if random.random() < 0.6 else width
        return data[:place] + struct.pack('>HH', height, width) + data[place + 4:]
    if data.startswith(b'II*\0'):
        tag = int(random.choice((256, 257, 273, 277, 278, 279)))
        first, = struct.unpack_from('<I', data, 4)
        for place in range(first + 2, len(data) - 12, 12):
            if struct.unpack_from('<H', data, place)[0] == tag:
                return data[:place + 8] + struct.pack('<I', height) + data[place + 12:]
    place = dict(GIF8=6, RIFF=24).get(data[:4].decode('latin-1'), 18)
    return data[:place] + struct.pack('<HH', width, height) + data[place + 4:]


def use_image(folder: Path, name: str) -> None:
    """A training passes over it and says so, or has the right pixels; so has the checker."""
    path = folder / name
    loaded = _from_folder(folder, name, dict(type='mmsimmim.LoadImage'))
    expected = _reference(path)
    if loaded is not None:
        assert expected is not None, 'loaded, but the decoder complains, or does not read it'
        assert loaded.shape == expected.shape and np.array_equal(loaded, expected), 'other pixels'
    cropped = _from_folder(folder, name, dict(type='mmsimmim.LoadRandomResizedCrop', scale=64))
    assert (cropped is None) == (loaded is None), f'whole: {loaded is not None}, crop: {cropped is not None}'
    fault = read_picture(str(path), decode=True).fault
    assert loaded is None or not fault, fault


def _from_folder(folder: Path, name: str, loader: dict) -> np.ndarray | None:
    dataset = ImageFolder(data_root=str(folder), pipeline=[loader])
    index = [dataset.get_data_info(i)['img_path'].endswith(name) for i in range(len(dataset))].index(True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        sample = dataset[SampleIndex(index, key=(0, 0, index))]
    skipped = [str(warning.message) for warning in told if 'left out' in str(warning.message)]
    assert all(name in text for text in skipped), skipped
    return None if skipped else sample['img']


def _reference(path: Path) -> np.ndarray | None:
    """What decoders make of it, blue, green, red; None where they refuse it or complain that data are missing."""
    data = path.read_bytes()
    if data.startswith(b'\xff\xd8') and _complains(data):
        return None
    if data.startswith(b'\x89PNG') and (_png_lacks_rows(data) or b'IEND\xaeB`\x82' in data and cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is None):
        return None
    try:
        with Image.open(io.BytesIO(data), formats=[form for form in RASTER_FORMATS if form in Image.OPEN]) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith('I'):
                grey = (np.asarray(image, np.float32) * (255 / 65535)).clip(0, 255).round().astype(np.uint8)
                return np.repeat(grey[..., None], 3, 2)
            return np.asarray(image.convert('RGB'))[..., ::-1]
    except Exception:
        return None


def _complains(data: bytes) -> bool:
    """Whether libjpeg, through OpenCV, tells the terminal that data are missing, for more than the last unit.

    Data that were replaced by others may be decoded to the end, or nearly so: JPEG has no checksums.
    """
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            with contextlib.suppress(cv2.error):
                cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        finally:
            os.dup2(before, 2)
        file.seek(0)
        return b'premature end' in file.read() and _lacks_units(data)


def _lacks_units(data: bytes) -> bool:
    """Whether more data at the end change more than the last unit, of 16 x 16 pixels, and its border."""
    longer = data[:data.rfind(b'\xff\xd9')] + bytes(range(1, 200)) + b'\xff\xd9'
    try:
        one, two = (np.asarray(Image.open(io.BytesIO(content)).convert('RGB')) for content in (data, longer))
    except Exception:
        return True
    if b'\xff\xc2' in data and (one[-8:, -8:] != one[-1, -1]).any():
        return False  # progressive, and less is missing than a scan of its last unit: detail
    height, width = one.shape[:2]
    rows, columns = (slice(0, (side - 1) // 16 * 16 - 2) for side in (height, width))
    return not (np.array_equal(one[rows], two[rows]) and np.array_equal(one[:, columns], two[:, columns]))


def _png_lacks_rows(data: bytes) -> bool:
    if len(data) < 29:
        return True
    width, height, bits, colour, _, _, order = struct.unpack_from('>IIBBBBB', data, 16)
    depth = bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    if order or height * width > MAX_PIXELS:
        return False
    unpacker, place, size = zlib.decompressobj(), 8, 0
    with contextlib.suppress(zlib.error, struct.error):
        while place < len(data):
            length, = struct.unpack_from('>I', data, place)
            if data[place + 4:place + 8] == b'IDAT':
                size += len(unpacker.decompress(data[place + 8:place + 8 + length]))
            place += 12 + length
    return size < height * (1 + -(-width * depth // 8))
