"""Reading a random crop: the box as torchvision draws it, the pixels as Pillow has them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import RandomResizedCrop

from mmsimmim.datasets import LoadRandomResizedCrop
from mmsimmim.datasets.keyed_random import CROP, KeyedRandom
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.transforms import UnreadableImage
from mmsimmim.datasets.transforms.loading import jpeg as jpeg_module
from mmsimmim.datasets.transforms.loading import load_random_resized_crop as module
from tests.datasets.transforms.loading.test_jpeg import FAST, SLOW, encode, oriented, picture


def by_pillow(data, results, size):
    """The reported box of the whole image, scaled by Pillow: blue, green, red."""
    top, left, height, width = results['crop_box']
    with Image.open(io.BytesIO(data)) as file:
        image = ImageOps.exif_transpose(file).convert('RGB')
    image = image.crop((left, top, left + width, top + height)).resize((size, size), Image.BILINEAR)
    return np.asarray(ImageOps.mirror(image) if results['flip'] else image)[..., ::-1].astype(int)


def read(data, index=0, **arguments):
    return LoadRandomResizedCrop(**{'scale': 24, **arguments})(
        dict(img_bytes=data, sample_idx=SampleIndex(index, key=(0, 0, index))))


@pytest.mark.parametrize('name', [*FAST, *SLOW])
def test_the_crop_is_pillows(name):
    data = (FAST | SLOW)[name]
    for index in range(6):
        results = read(data, index, flip_prob=0.5)
        difference = np.abs(results['img'] - by_pillow(data, results, 24))
        assert difference.mean() < 0.05 and difference.max() <= 1
        assert results['img'].shape == (24, 24, 3) and results['img'].flags.c_contiguous
        assert results['img_shape'] == (24, 24)
        assert results['flip_direction'] == ('horizontal' if results['flip'] else None)
    with Image.open(io.BytesIO(data)) as file:
        assert results['ori_shape'] == ImageOps.exif_transpose(file).size[::-1]


@pytest.mark.parametrize('height, width', [(375, 500), (500, 375), (30, 900), (900, 30), (1, 1)])
def test_boxes_are_drawn_as_by_torchvision(height, width):
    """Same moments of all four numbers over many draws, and the same boxes where none fits."""
    count = 4000
    ours = LoadRandomResizedCrop(192)
    boxes = np.array([ours.draw_box(KeyedRandom(CROP, (0, 0, i)), height, width) for i in range(count)], dtype=float)
    torch.manual_seed(0)
    image = torch.empty(1, height, width)
    theirs = np.array([RandomResizedCrop.get_params(image, (0.67, 1.0), (3 / 4, 4 / 3)) for _ in range(count)],
                      dtype=float)
    spread = theirs.std(axis=0)
    assert (np.abs(boxes.mean(axis=0) - theirs.mean(axis=0)) <= 5 * spread * np.sqrt(2 / count)).all()
    assert np.allclose(boxes.std(axis=0), spread, rtol=0.08)
    for statistic in (lambda box: box[:, 2] * box[:, 3], lambda box: box[:, 3] / box[:, 2]):
        quantiles = [np.quantile(statistic(box), (0.05, 0.25, 0.5, 0.75, 0.95)) for box in (boxes, theirs)]
        assert np.allclose(*quantiles, rtol=0.02)
    assert (boxes[:, 0] + boxes[:, 2] <= height).all() and (boxes[:, 1] + boxes[:, 3] <= width).all()
    assert (boxes[:, 2:] > 0).all() and (boxes[:, :2] >= 0).all()


def test_what_is_drawn_is_a_function_of_the_key():
    first = [read(FAST['4:2:0'], index, flip_prob=0.5) for index in range(20)]
    np.random.seed(5)
    torch.manual_seed(5)
    for index in reversed(range(20)):
        again = read(FAST['4:2:0'], index, flip_prob=0.5)
        assert np.array_equal(again['img'], first[index]['img'])
    assert len({results['crop_box'] for results in first}) > 15
    assert 3 < sum(results['flip'] for results in first) < 17


@pytest.fixture
def reductions(monkeypatch):
    """The reductions at which files are decoded."""
    seen = []
    monkeypatch.setattr(module, 'decode', lambda data, reduction: (
        seen.append(reduction), jpeg_module.decode(data, reduction))[1])
    return seen


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('size', [(640, 1000), (643, 1005)])
def test_large_files_are_decoded_small(orientation, size, reductions):
    """Also where they are turned, and sides are no multiples of the reduction: the box is exact."""
    data = oriented(picture(size=size), orientation, quality=95)
    for index, (scale, reduction) in enumerate([(200, 1), (120, 2), (60, 4), (30, 8), (8, 8)]):
        results = read(data, index, scale=scale, flip_prob=0.5)
        difference = np.abs(results['img'] - by_pillow(data, results, scale))
        assert reductions == [reduction]
        assert difference.mean() < 0.5
        reductions.clear()


def test_a_photograph_decoded_small_is_within_the_stated_difference(reductions):
    from sklearn.datasets import load_sample_images
    for photograph in load_sample_images().images:
        data = encode(Image.fromarray(photograph), quality=92)
        for scale, reduction in ((80, 2), (40, 4), (20, 8)):
            differences = [np.abs(read(data, index, scale=scale)['img'] - by_pillow(
                data, read(data, index, scale=scale), scale)).mean() for index in range(4)]
            assert 0.2 < np.mean(differences) < 1.2 and set(reductions) == {reduction}
            reductions.clear()


def test_without_margin_files_are_decoded_in_full(reductions):
    data = encode(picture(size=(640, 1000)))
    results = read(data, scale=30, margin=None)
    assert reductions == [1] and np.abs(results['img'] - by_pillow(data, results, 30)).max() <= 1


def test_width_comes_first_in_the_scale():
    assert read(FAST['4:2:0'], scale=(20, 10))['img'].shape == (10, 20, 3)


def test_broken_files_and_indices_without_a_key_are_refused(tmp_path):
    with pytest.raises(UnreadableImage, match='truncated'):
        read(FAST['4:2:0'][:-20])
    with pytest.raises(UnreadableImage, match='not an image'):
        read(b'hello')
    with pytest.raises(UnreadableImage, match='No such file'):
        LoadRandomResizedCrop(24)(dict(img_path=str(tmp_path / 'none.jpg'), sample_idx=SampleIndex(0, key=(0, ))))
    with pytest.raises(UnreadableImage, match='allows'):
        read(FAST['4:2:0'], max_pixels=100)
    with pytest.raises(TypeError, match='LoadRandomResizedCrop got an index without the epoch.*SeededSampler'):
        LoadRandomResizedCrop(24)(dict(img_bytes=FAST['4:2:0'], sample_idx=3))


@pytest.mark.parametrize('arguments, message', [
    (dict(scale=0), 'scale'), (dict(scale=(1, 2, 3)), 'scale'), (dict(scale=24.0), 'scale'),
    (dict(crop_ratio_range=(0, 1)), 'crop_ratio_range'), (dict(crop_ratio_range=(1, 0.5)), 'crop_ratio_range'),
    (dict(aspect_ratio_range=(1, )), 'aspect_ratio_range'), (dict(flip_prob=1.5), 'flip_prob'),
    (dict(margin=0.5), 'margin'), (dict(max_pixels=0), 'LoadRandomResizedCrop: max_pixels')])
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LoadRandomResizedCrop(**{'scale': 24, **arguments})


def test_an_image_that_is_there_is_cropped_as_its_file(tmp_path):
    index = SampleIndex(3, key=(0, 0, 3))
    given = np.asarray(Image.open(io.BytesIO(SLOW['PNG'])))[..., ::-1]
    found = LoadRandomResizedCrop(24)(dict(img=given, sample_idx=index))
    expected = read(SLOW['PNG'], 3)
    assert all(np.array_equal(found[key], expected[key]) for key in ('img', 'ori_shape', 'crop_box'))
    with pytest.raises(UnreadableImage, match='img must be an array of uint8'):
        LoadRandomResizedCrop(24)(dict(img=given / 255, sample_idx=index))
