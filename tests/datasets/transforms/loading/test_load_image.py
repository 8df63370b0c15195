"""What LoadImage makes of all sorts of files."""

import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.transforms import LoadImage, LoadRandomResizedCrop, UnreadableImage
from mmsimmim.datasets.transforms.loading import load_image

RGB = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def load(path, **arguments):
    return LoadImage(**arguments)(dict(img_path=str(path)))['img']


@pytest.mark.parametrize('suffix', ['png', 'bmp', 'tif', 'ppm'])
def test_lossless_formats_give_the_same_as_opencv(tmp_path, suffix):
    path = tmp_path / f'image.{suffix}'
    Image.fromarray(RGB).save(path)
    assert np.array_equal(load(path), cv2.imread(str(path)))


def test_adds_the_usual_keys(tmp_path):
    Image.fromarray(RGB).save(tmp_path / 'x.png')
    results = LoadImage()(dict(img_path=str(tmp_path / 'x.png'), sample_idx=4))
    assert results['img'].dtype == np.uint8 and results['img'].flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == (40, 60)
    assert results['sample_idx'] == 4


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGBA', 'CMYK'])
def test_every_mode_becomes_three_channels(tmp_path, mode):
    path = tmp_path / 'image.tif' if mode == 'CMYK' else tmp_path / 'image.png'
    Image.fromarray(RGB).convert(mode).save(path)
    image = load(path)
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8
    if mode in ('RGBA', 'CMYK'):
        assert np.abs(image[..., ::-1].astype(int) - RGB).max() <= 2
    if mode in ('L', 'LA', '1'):
        assert np.array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize('suffix', ['png', 'tiff', 'pgm'])
def test_16_bit_grey(tmp_path, suffix):
    values = np.linspace(0, 65535, 2400).astype(np.uint16).reshape(40, 60)
    path = tmp_path / f'image.{suffix}'
    cv2.imwrite(str(path), values)
    assert np.abs(load(path)[..., 0] - values / 257.).max() <= 0.51
    cv2.imwrite(str(path), values // 16)
    assert np.abs(load(path, max_value=4095)[..., 0] - values / 257.).max() <= 1


@pytest.mark.parametrize('suffix', ['png', 'tiff'])
def test_16_bit_colour_keeps_the_upper_bits(tmp_path, suffix):
    values = np.random.default_rng(0).integers(0, 65535, (40, 60, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / f'image.{suffix}'), values)
    assert np.array_equal(load(tmp_path / f'image.{suffix}'), values // 256)


def test_floats_need_their_range(tmp_path):
    values = np.linspace(-.1, 1.1, 2400, dtype=np.float32).reshape(40, 60)
    cv2.imwrite(str(tmp_path / 'x.tiff'), values)
    with pytest.raises(UnreadableImage, match='max_value'):
        load(tmp_path / 'x.tiff')
    assert np.abs(load(tmp_path / 'x.tiff', max_value=1)[..., 0] - values.clip(0, 1) * 255).max() <= 0.51


def test_exif_rotation_is_applied(tmp_path):
    image = Image.fromarray(RGB)
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    image.save(tmp_path / 'x.png', exif=exif)
    assert np.array_equal(load(tmp_path / 'x.png')[..., ::-1], np.rot90(RGB, -1))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tif', 'webp', 'ppm', 'gif'])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    path = tmp_path / f'image.{suffix}'
    Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    with pytest.raises(UnreadableImage):
        load(path)


def test_a_jpeg_that_lacks_only_its_last_bytes_is_refused(tmp_path):
    path = tmp_path / 'image.jpg'
    Image.fromarray(RGB).save(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UnreadableImage, match='truncated'):
        load(path)


def test_reasons(tmp_path):
    for name, content in {'empty.jpg': b'', 'text.jpg': b'hello'}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImage, match='not an image'):
            load(tmp_path / name)
    with pytest.raises(UnreadableImage, match='No such file'):
        load(tmp_path / 'missing.jpg')
    with pytest.raises(ValueError, match='max_value'):
        LoadImage(max_value=0)


def test_large_images_need_a_limit_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1000)  # Pillow refuses above twice as many
    path = tmp_path / 'x.png'
    Image.fromarray(RGB).save(path)  # 2400 pixels
    with pytest.raises(UnreadableImage, match=r'2400 pixels.* set LoadImage\(max_pixels='):
        load(path, max_pixels=None)
    assert np.array_equal(load(path, max_pixels=2400)[..., ::-1], RGB)
    with pytest.raises(UnreadableImage, match=r'60 x 40 pixels .* LoadImage\(max_pixels=2399\) allows'):
        load(path, max_pixels=2399)
    assert Image.MAX_IMAGE_PIXELS == 1000
    with pytest.raises(ValueError, match='max_pixels'):
        LoadImage(max_pixels='1e9')


@pytest.mark.parametrize('kind', [LoadImage, LoadRandomResizedCrop])
@pytest.mark.parametrize('name', ['bomb.jpg', 'bomb.png'])
def test_by_default_no_small_file_unfolds_to_gigabytes(tmp_path, monkeypatch, kind, name):
    monkeypatch.setattr(Image.Image, 'load', lambda image: pytest.fail('it is decoded'))
    monkeypatch.setattr(load_image, 'decode', lambda data: pytest.fail('it is decoded'))
    path = tmp_path / name
    if name.endswith('.jpg'):
        whole = cv2.imencode('.jpg', RGB)[1].tobytes()
        path.write_bytes(whole.replace(b'\x08\x00\x28\x00\x3c', b'\x08\x20\x00\x20\x01'))  # height and width
    else:
        whole = cv2.imencode('.png', RGB)[1].tobytes()
        header = b'IHDR' + (8192).to_bytes(4, 'big') + (8193).to_bytes(4, 'big') + whole[24:29]
        path.write_bytes(whole[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + whole[33:])
    arguments = dict(scale=32) if kind is LoadRandomResizedCrop else {}
    results = dict(img_path=str(path), sample_idx=SampleIndex(0, key=(0, 0, 0)))
    with pytest.raises(UnreadableImage, match=rf'8193 .* more than {kind.__name__}\(max_pixels=67108864\) allows; if '
                                              r'you trust .* set max_pixels=67117056 or more'):
        kind(**arguments)(results)


@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'I;16'])
def test_an_image_that_is_there_gives_what_its_file_gives(tmp_path, mode):
    """The inferencers of OpenMMLab hand over what OpenCV reads, or what a camera gives."""
    deep = RGB[..., 0].astype(np.uint16) * 257
    (Image.fromarray(deep) if mode == 'I;16' else Image.fromarray(RGB).convert(mode)).save(tmp_path / 'x.png')
    given = cv2.imread(str(tmp_path / 'x.png'), cv2.IMREAD_UNCHANGED)
    results = LoadImage()(dict(img=given, img_path='of another image', img_shape=None))
    assert np.array_equal(results['img'], load(tmp_path / 'x.png'))
    assert results['img'].flags.c_contiguous and results['img'].dtype == np.uint8
    assert results['img_shape'] == results['ori_shape'] == (40, 60)


@pytest.mark.parametrize('given, got', [
    (RGB.astype(np.float32), r'float32 of shape \(40, 60, 3\)'), (RGB[..., :2], r'uint8 of shape \(40, 60, 2\)'),
    (RGB[None], r'uint8 of shape \(1, 40, 60, 3\)'), (None, 'NoneType'), (Image.fromarray(RGB), 'Image')])
def test_an_array_that_is_no_image_is_refused(given, got):
    with pytest.raises(UnreadableImage, match=f'img must be an array of uint8 .* blue, green, red.* got {got}'):
        LoadImage()(dict(img=given))


def test_nothing_to_read_is_told():
    with pytest.raises(UnreadableImage, match='neither img_path nor img_bytes nor img'):
        LoadImage()(dict(sample_idx=0))
