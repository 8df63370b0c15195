"""The fast way through JPEG files gives what Pillow gives, or leaves the file to Pillow."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mmsimmim.datasets.transforms import LoadImage, UnreadableImage
from mmsimmim.datasets.transforms.loading.jpeg import read_header

SIZE = (61, 83)


def picture(seed=0, size=SIZE):
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))


def encode(image, **options):
    stream = io.BytesIO()
    image.save(stream, options.pop('format', 'JPEG'), **options)
    return stream.getvalue()


def oriented(image, orientation, **options):
    exif = image.getexif()
    exif[0x010f] = 'a camera'
    exif[0x0112] = orientation
    return encode(image, exif=exif, **options)


def by_pillow(data):
    """What LoadImage gave before there was another way."""
    with Image.open(io.BytesIO(data)) as file:
        return np.asarray(ImageOps.exif_transpose(file).convert('RGB'))[..., ::-1]


def load(data, **arguments):
    return LoadImage(**arguments)(dict(img_bytes=data))['img']


FAST = {
    '4:4:4': encode(picture(), quality=95, subsampling=0),
    '4:2:2': encode(picture(), quality=90, subsampling=1),
    '4:2:0': encode(picture(), quality=75, subsampling=2),
    'progressive': encode(picture(), progressive=True),
    'optimised, with restarts': encode(picture(), optimize=True, restart_marker_rows=1),
    'grey': encode(picture().convert('L')),
    'Adobe RGB': encode(picture(), keep_rgb=True),
    'zeros behind the end': encode(picture()) + bytes(100),
    'a comment': encode(picture(), comment=b'\xff\xd9 and \xff\xd8'),
    **{f'orientation {number}': oriented(picture(), number) for number in range(1, 9)},
}
XMP = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
       b'tiff:Orientation="6"/></x:xmpmeta>')
SLOW = {
    'CMYK': encode(picture().convert('CMYK')),
    'bytes behind the end': encode(picture()) + b'x' * 100,
    'another image behind the end': encode(picture(), format='MPO', save_all=True, append_images=[picture(1)]),
    'orientation 9': oriented(picture(), 9),
    'orientation in XMP': encode(picture(), xmp=XMP),
    'PNG': encode(picture(), format='PNG'),
}


@pytest.mark.parametrize('name', FAST)
def test_ordinary_files_take_the_fast_way_to_the_same_pixels(name, monkeypatch):
    expected = by_pillow(FAST[name])
    monkeypatch.setattr(Image, 'open', None)
    image = load(FAST[name])
    assert image.flags.c_contiguous and np.array_equal(image, expected)
    assert read_header(FAST[name]).shape == expected.shape[:2]


@pytest.mark.parametrize('name', SLOW)
def test_other_files_are_left_to_pillow(name):
    assert read_header(SLOW[name]) is None
    assert np.array_equal(load(SLOW[name]), by_pillow(SLOW[name]))


@pytest.mark.parametrize('name', ['4:2:0', 'progressive', 'grey', 'orientation 6'])
def test_files_that_are_cut_off_are_refused_as_before(name):
    data = FAST[name]
    for length in [*range(0, len(data) - 16, 16), *range(len(data) - 16, len(data))]:
        assert read_as_before(data[:length]) is None
        read_as_before(data[:length] + bytes(len(data) - length))


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ['4:2:0', 'progressive', 'optimised, with restarts', 'orientation 6', 'a comment'])
def test_broken_bytes_are_refused_or_read_as_before(name, capfd):
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        data = bytearray(FAST[name])
        place, length = generator.integers(len(data)), generator.integers(1, 40)
        data[place:place + length] = generator.bytes(length) if generator.random() < 0.5 else b''
        refused += read_as_before(bytes(data)) is None
    assert 10 < refused < 140
    capfd.readouterr()  # the decoder's complaints


def read_as_before(data):
    """The image, or None if it is refused: as Pillow alone has it, or because the decoder complains of lacking data."""
    try:
        expected = by_pillow(data)
    except Exception:
        with pytest.raises(UnreadableImage):
            load(data)
        return None
    try:
        image = load(data)
    except UnreadableImage as error:
        assert 'its data end' in str(error) or 'missing' in str(error)
        return None
    assert np.array_equal(image, expected)
    return expected


def test_a_thumbnail_does_not_pass_for_the_end_of_a_file():
    thumbnail = encode(picture(1, (16, 16)))
    exif = b'Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0' + thumbnail
    whole = encode(picture(), exif=exif)
    cut = whole[:whole.index(thumbnail) + len(thumbnail)]
    assert read_header(whole).shape == SIZE and cut.endswith(b'\xff\xd9')
    with pytest.raises(UnreadableImage):
        load(cut)


def test_limits_hold_on_the_fast_way(monkeypatch):
    data = FAST['4:2:0']
    pixels = SIZE[0] * SIZE[1]
    with pytest.raises(UnreadableImage, match='83 x 61 pixels .* allows'):
        load(data, max_pixels=pixels - 1)
    assert load(data, max_pixels=pixels).shape == (*SIZE, 3)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', pixels // 3)
    with pytest.raises(UnreadableImage, match='max_pixels'):
        load(data, max_pixels=None)
    assert load(data, max_pixels=pixels).shape == (*SIZE, 3)


def test_files_and_bytes_are_the_same(tmp_path):
    for name, data in (FAST | SLOW).items():
        path = tmp_path / f'{name.replace("/", "")}.image'
        path.write_bytes(data)
        assert np.array_equal(LoadImage()(dict(img_path=str(path)))['img'], load(data))
