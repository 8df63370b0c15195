"""Files whose data end before their pixels, though no decoder says so, are refused."""

import io
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmsimmim.datasets.checks.files import read_label_map, read_picture
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.transforms import LoadImage, LoadRandomResizedCrop, UnreadableImage
from mmsimmim.datasets.transforms.loading import jpeg_data
from mmsimmim.datasets.transforms.loading.jpeg_data import TOO_SHORT, find_lack

from .test_jpeg import encode, picture

END = b'\xff\xd9'
SIZE = (240, 320)
IMAGE = picture(0, SIZE)
JPEGS = {
    'baseline': dict(quality=90),
    '4:4:4': dict(subsampling=0),
    'progressive': dict(progressive=True),
    'restarts': dict(restart_marker_rows=2),
    'grey': dict(mode='L'),
    'CMYK': dict(mode='CMYK'),
    'Adobe RGB': dict(keep_rgb=True),
}


def jpeg(name):
    options = dict(JPEGS[name])
    return encode(IMAGE.convert(options.pop('mode', 'RGB')), **options)


def with_size(data, height, width):
    """The same data under a header that claims another size."""
    place = re.search(rb'\xff[\xc0\xc2]\0.\x08', data, re.DOTALL).end()
    return data[:place] + struct.pack('>HH', height, width) + data[place + 4:]


def damaged(data):
    yield 'more rows', with_size(data, SIZE[0] + 100, SIZE[1])
    yield 'more columns', with_size(data, SIZE[0], SIZE[1] + 100)
    yield 'cut off, and ended', data[:len(data) * 2 // 3] + END
    yield 'cut off near its end, and ended', data[:len(data) * 19 // 20] + END


def refusals(data, path=None):
    """What each way to read it says; None where it gives an image."""
    sample = dict(img_bytes=data, sample_idx=SampleIndex(0, key=(0, 0, 0)))
    for loader in (LoadImage(), LoadRandomResizedCrop(192), LoadRandomResizedCrop(24, (1, 1))):
        try:
            loader(dict(sample))
            yield None
        except UnreadableImage as error:
            yield str(error)
    path.write_bytes(data)
    yield read_picture(str(path), decode=True).fault or None


@pytest.mark.parametrize('name', JPEGS)
def test_a_jpeg_whose_data_end_early_is_refused_by_all_who_read_it(name, tmp_path):
    whole = jpeg(name)
    assert set(refusals(whole, tmp_path / 'image')) == {None}
    assert set(refusals(whole + b'rubbish', tmp_path / 'image')) == {None}
    for what, data in damaged(whole):
        with Image.open(io.BytesIO(data)) as image:
            image.load()  # Pillow says nothing
        found = set(refusals(data, tmp_path / 'image'))
        if name == 'progressive' and what == 'cut off near its end, and ended':
            continue  # only in its last scan, of fine detail
        assert None not in found and all(TOO_SHORT in text or 'missing' in text for text in found), what


def test_a_grey_corner_is_no_lack(capfd):
    for grey in (IMAGE.copy(), Image.new('RGB', SIZE[::-1])):
        grey.paste((128, 128, 128), (100, 100, SIZE[1], SIZE[0]))
        for options in JPEGS.values():
            options = {name: value for name, value in options.items() if name != 'mode'}
            assert (LoadImage()(dict(img_bytes=encode(grey, **options)))['img'][-1, -1] == 128).all()
    assert 'Corrupt' not in capfd.readouterr().err


def test_an_ordinary_file_is_decoded_once(monkeypatch):
    data = jpeg('baseline')
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    monkeypatch.setattr(jpeg_data, '_decode', None)
    assert find_lack(data, image) == ''


@pytest.mark.parametrize('lost', ['one', 'two swapped'])
def test_lost_restarts_are_found(lost):
    data = encode(IMAGE, restart_marker_rows=2)
    places = [found.start() for found in re.finditer(rb'\xff[\xd0-\xd7]', data)]
    assert len(places) > 3
    if lost == 'one':
        data = data[:places[0]] + data[places[1]:]
    else:
        first, second, third = places[:3]
        data = data[:first] + data[second:third] + data[first:second] + data[third:]
    with pytest.raises(UnreadableImage, match='restart'):
        LoadImage()(dict(img_bytes=data))


def chunks(data):
    place = 8
    while place < len(data):
        length, = struct.unpack_from('>I', data, place)
        yield data[place + 4:place + 8], data[place + 8:place + 8 + length]
        place += 12 + length


def png_with_rows_missing(image):
    """As a program writes it that was wrong about the size: all checksums are right."""
    data = encode(image, format='PNG')
    pieces = [data[:8]]
    for kind, content in chunks(data):
        if kind == b'IHDR':
            width, height = struct.unpack_from('>II', content)
            content = struct.pack('>II', width, height + 50) + content[8:]
        pieces += struct.pack('>I', len(content)), kind, content, struct.pack('>I', zlib.crc32(kind + content))
    return b''.join(pieces)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'L', 'LA', 'P', '1', 'I;16'])
def test_a_png_whose_rows_are_missing_is_refused(mode, tmp_path):
    image = Image.fromarray(np.asarray(IMAGE.convert('L')).astype(np.uint16) * 200) if mode == 'I;16' else \
        IMAGE.convert(mode)
    assert set(refusals(encode(image, format='PNG'), tmp_path / 'image')) == {None}
    data = png_with_rows_missing(image)
    with Image.open(io.BytesIO(data)) as file:
        file.load()  # Pillow says nothing
    assert all('rows or blocks are missing' in (text or '') for text in refusals(data, tmp_path / 'image'))
    assert 'missing' in read_label_map(str(tmp_path / 'image')).fault


@pytest.mark.parametrize('value', [0, 84, 171, 255])
def test_images_of_the_values_that_stand_for_nothing_are_read(value, tmp_path):
    for mode in ('L', 'RGB', 'P'):
        for suffix in ('PNG', 'TIFF', 'BMP', 'GIF'):
            image = Image.new(mode, (40, 30), value if mode != 'RGB' else (171, 87, 203))
            assert set(refusals(encode(image, format=suffix), tmp_path / 'image')) == {None}


def test_a_tiff_whose_strips_are_missing_is_refused(tmp_path):
    whole = encode(IMAGE, format='TIFF')
    place = whole.index(struct.pack('<HHI', 257, 4, 1))  # ImageLength
    data = whole[:place + 8] + struct.pack('<I', SIZE[0] + 50) + whole[place + 12:]
    with Image.open(io.BytesIO(data)) as file:
        assert file.size[1] == SIZE[0] + 50
        file.load()  # Pillow says nothing
    assert None not in set(refusals(data, tmp_path / 'image'))


def test_the_background_of_a_gif_needs_no_data(tmp_path):
    data = bytearray(encode(IMAGE.convert('P'), format='GIF'))
    struct.pack_into('<HH', data, 6, SIZE[1] + 30, SIZE[0] + 40)
    assert set(refusals(bytes(data), tmp_path / 'image')) == {None}
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(LoadImage()(dict(img_bytes=bytes(data)))['img'][..., ::-1], image.convert('RGB'))


@pytest.mark.parametrize('suffix', ['WEBP', 'PPM', 'TGA', 'PCX', 'SGI', 'JPEG2000', 'AVIF', 'ICO'])
def test_other_formats_are_read_as_before(suffix, tmp_path):
    image = IMAGE.resize((64, 64))
    assert set(refusals(encode(image, format=suffix), tmp_path / 'image')) == {None}


def test_a_piece_of_a_png_that_claims_gigabytes_takes_no_memory(tmp_path, monkeypatch):
    data = encode(IMAGE, format='PNG')
    place = data.rindex(b'IDAT') - 4
    data = data[:place] + b'\xff\xff\xff\xf0' + data[place + 4:]
    monkeypatch.setattr('PIL.PngImagePlugin.PngImageFile.load', None)
    assert all('cut off' in text for text in refusals(data, tmp_path / 'image'))


def test_a_png_whose_last_pixels_are_others_is_refused(tmp_path):
    whole = encode(IMAGE, format='PNG')
    places = [found.start() for found in re.finditer(b'IDAT', whole)]
    start = places[-1] + 4 + struct.unpack_from('>I', whole, places[-1] - 4)[0] - 400
    for seed in range(20):
        data = whole[:start] + np.random.default_rng(seed).bytes(300) + whole[start + 300:]
        assert None not in set(refusals(data, tmp_path / 'image'))
    data = whole[:start + 390] + bytes(10) + whole[start + 400:]
    assert None not in set(refusals(data, tmp_path / 'image'))
