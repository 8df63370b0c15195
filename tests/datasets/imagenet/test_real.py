"""ReaL labels of ImageNet's validation images, in both layouts."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from mmsimmim.datasets import ImageNetReaL
from mmsimmim.datasets.imagenet import test_set
from mmsimmim.errors import UserError

LABELS = {1: [], 2: [970, 795], 3: [230, 231], 4: [809], 50_000: [65]}
# Classes of the original labels, which have no say.
FOLDERS = {1: 'n01751748', 2: 'n09193705', 3: 'n02105855', 4: 'n04263257', 50_000: 'n02437616'}


@pytest.fixture(params=['flat', 'folders'])
def imagenet(request, tmp_path):
    for number, folder in FOLDERS.items():
        path = tmp_path / 'val' / (folder if request.param == 'folders' else '') / f'ILSVRC2012_val_{number:08d}.JPEG'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_labels(tmp_path / 'real.json')
    return tmp_path


def write_labels(path, last=50_000):
    path.write_text(json.dumps([LABELS.get(number, []) for number in range(1, last + 1)]))


def labels(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {int(Path(info['img_path']).stem[-8:]): info['gt_label'] for info in infos}


def test_labels_go_by_the_numbers_in_the_names_and_images_without_any_are_left_out(imagenet):
    dataset = ImageNetReaL(str(imagenet))
    assert labels(dataset) == {number: known for number, known in LABELS.items() if known}
    assert 'subset' not in dataset.metainfo and len(dataset.metainfo['classes']) == 1000


def test_labels_may_lie_elsewhere(imagenet, tmp_path):
    moved = (imagenet / 'real.json').rename(tmp_path / 'elsewhere.json')
    assert len(ImageNetReaL(str(imagenet), ann_file=str(moved))) == 4


def test_published_labels(tmp_path):
    """As timm has a copy of them."""
    (tmp_path / 'real.json').write_text(files('timm').joinpath('data/_info/imagenet_real_labels.json').read_text())
    (tmp_path / 'val').mkdir()
    for number in range(1, 101):
        (tmp_path / 'val' / f'ILSVRC2012_val_{number:08d}.JPEG').touch()
    found = labels(ImageNetReaL(str(tmp_path)))
    assert 1 not in found and found[2] == [970, 795] and found[3] == [230, 231]


def test_missing_images_are_a_warning(imagenet, monkeypatch):
    messages = []
    monkeypatch.setattr(test_set, 'print_log', lambda message, **kwargs: messages.append(message))
    ImageNetReaL(str(imagenet), num_images=5)
    assert not messages
    ImageNetReaL(str(imagenet))
    assert 'has 5 images, but the published set has 50000' in messages[0]


def test_labels_that_are_missing_or_something_else(imagenet):
    path = imagenet / 'real.json'
    write_labels(path, last=49_999)
    for text, message in [(path.read_text(), 'this is a list of 49999 entries'), ('{"a": [1]}', 'this is a dict'),
                          (json.dumps([[1000]] * 50_000), 'numbers from 0 to 999'), ('[[1], [2', 'are no JSON'),
                          (json.dumps([1] * 50_000), 'a list of 50000 lists')]:
        path.write_text(text)
        with pytest.raises(UserError, match=f'real.json.*{message}'):
            ImageNetReaL(str(imagenet))
    path.unlink()
    with pytest.raises(UserError, match="real.json': the file does not exist.*reassessed-imagenet"):
        ImageNetReaL(str(imagenet))


@pytest.mark.parametrize('name', ['ILSVRC2012_val_00050001.JPEG', 'ILSVRC2012_val_00000000.JPEG', 'cat.jpg',
                                  'n01440764_10026.JPEG'])
def test_images_with_other_names(imagenet, name):
    (imagenet / 'val' / name).touch()
    with pytest.raises(UserError, match=rf'has 1 images \({name}\) that are not named as those of the validation set'):
        ImageNetReaL(str(imagenet))


def test_an_image_that_is_there_twice(imagenet):
    (imagenet / 'val' / 'more').mkdir()
    (imagenet / 'val' / 'more' / 'ILSVRC2012_val_00000004.jpg').touch()
    with pytest.raises(UserError, match='the same validation image twice: .*00000004.* and .*00000004'):
        ImageNetReaL(str(imagenet))


def test_no_images(imagenet):
    with pytest.raises(UserError, match="validation' does not exist"):
        ImageNetReaL(str(imagenet), data_prefix='validation')
