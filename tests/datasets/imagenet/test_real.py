"""ReaL labels of ImageNet's validation images, in both layouts."""

import json
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from mmsimmim import datasets
from mmsimmim.datasets.imagenet import test_set
from mmsimmim.errors import UserError

ImageNetReaL = partial(datasets.ImageNetReaL, serialize_data=False)

# Numbers of images and classes of the original labels, which have no say.
FOLDERS = {1: 'n01751748', 2: 'n09193705', 3: 'n02105855', 50_000: 'n02437616'}


@pytest.fixture(scope='module')
def published():
    """The published labels, of which timm has a copy."""
    return files('timm').joinpath('data/_info/imagenet_real_labels.json')


@pytest.fixture
def imagenet(request, tmp_path):
    """ImageNet-1K's folder without labels, in the layout that the test asks for."""
    for number, folder in FOLDERS.items():
        in_folders = getattr(request, 'param', 'flat') == 'folders'
        path = tmp_path / 'val' / (folder if in_folders else '') / f'ILSVRC2012_val_{number:08d}.JPEG'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize('imagenet', ['flat', 'folders'], indirect=True)
def test_labels_go_by_the_numbers_in_the_names_and_images_without_any_are_left_out(imagenet, published):
    (imagenet / 'real.json').symlink_to(published)
    dataset = ImageNetReaL(str(imagenet))
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    labels = {int(Path(info['img_path']).stem[-8:]): info['gt_label'] for info in infos}
    last = json.loads(published.read_text())[49_999]
    assert labels == {2: [970, 795], 3: [230, 231], 50_000: last} and all(Path(i['img_path']).is_file() for i in infos)
    assert 'subset' not in dataset.metainfo and len(dataset.metainfo['classes']) == 1000


def test_missing_images_are_a_warning(imagenet, published, monkeypatch):
    messages = []
    monkeypatch.setattr(test_set, 'print_log', lambda message, **kwargs: messages.append(message))
    ImageNetReaL(str(imagenet), ann_file=str(published), num_images=4)
    assert not messages
    ImageNetReaL(str(imagenet), ann_file=str(published))
    assert 'has 4 images, but the published set has 50000' in messages[0]


def test_labels_that_are_missing_or_something_else(imagenet):
    path = imagenet / 'real.json'
    for text, message in [(json.dumps([[1]] * 49_999), 'this is a list of 49999 entries'), ('{"a": [1]}', 'is a dict'),
                          (json.dumps([[1000]] * 50_000), 'numbers from 0 to 999'), ('[[1], [2', 'are no JSON'),
                          (json.dumps([1] * 50_000), 'a list of 50000 lists')]:
        path.write_text(text)
        with pytest.raises(UserError, match=f'real.json.*{message}'):
            ImageNetReaL(str(imagenet))
    path.unlink()
    with pytest.raises(UserError, match="real.json': the file does not exist.*reassessed-imagenet"):
        ImageNetReaL(str(imagenet))


def test_images_with_other_names(imagenet, published):
    for name in ('ILSVRC2012_val_00050001.JPEG', 'ILSVRC2012_val_00000000.JPEG', 'cat.jpg', 'n01440764_10026.JPEG'):
        (imagenet / 'val' / name).touch()
        with pytest.raises(UserError, match=rf'has 1 images \({name}\) that are not named as those of the validation'):
            ImageNetReaL(str(imagenet), ann_file=str(published))
        (imagenet / 'val' / name).unlink()


def test_an_image_that_is_there_twice(imagenet, published):
    (imagenet / 'val' / 'more').mkdir()
    (imagenet / 'val' / 'more' / 'ILSVRC2012_val_00000003.jpg').touch()
    with pytest.raises(UserError, match='the same validation image twice: .*00000003.* and .*00000003'):
        ImageNetReaL(str(imagenet), ann_file=str(published))


def test_no_images(imagenet, published):
    with pytest.raises(UserError, match="validation' does not exist"):
        ImageNetReaL(str(imagenet), data_prefix='validation', ann_file=str(published))
