"""Labels of ImageNet-V2, -A, -R and -Sketch from the folders in which they are distributed."""

from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from mmsimmim import datasets
from mmsimmim.datasets.imagenet import test_set
from mmsimmim.datasets.imagenet.wnids import WNIDS
from mmsimmim.errors import UserError

# Packed lists are MMEngine's affair, and take a garbage collection each.
ImageNetVariant = partial(datasets.ImageNetVariant, serialize_data=False)


def write(root, folders, name='0.jpeg'):
    """One file each, which nobody reads."""
    for folder in folders:
        (root / folder).mkdir(parents=True)
        (root / folder / name).touch()
    return str(root)


def labels(dataset):
    """By folder, whatever the order."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {Path(info['img_path']).parent.name: info['gt_label'] for info in infos}


@pytest.fixture(scope='module')
def numbered(tmp_path_factory):
    return write(tmp_path_factory.mktemp('v2') / 'format-val', map(str, range(1000)))


@pytest.fixture(scope='module')
def set_a(tmp_path_factory):
    """The folders of ImageNet-A, and a file beside them as in the archive."""
    root = tmp_path_factory.mktemp('a') / 'imagenet-a'
    write(root, timm('a'))
    (root / 'README.txt').touch()
    return str(root)


def timm(name):
    return files('timm').joinpath(f'data/_info/imagenet_{name}_synsets.txt').read_text().split()


def test_folders_with_numbers_are_not_numbered_as_they_are_sorted(numbered):
    dataset = ImageNetVariant(numbered)
    assert labels(dataset) == {str(label): label for label in range(1000)}
    assert dataset.metainfo['subset'] == tuple(range(1000))


def test_folders_with_wordnet_ids_are_numbered_among_all_thousand(tmp_path):
    dataset = ImageNetVariant(write(tmp_path / 'sketch', WNIDS), num_images=1000)
    assert labels(dataset) == {wnid: label for label, wnid in enumerate(WNIDS)}
    assert len(dataset.metainfo['classes']) == 1000 and dataset.metainfo['classes'][0].startswith('tench')


def test_subset_is_that_of_the_folders(set_a):
    dataset = ImageNetVariant(set_a, num_classes=200)
    indices = [int(line) for line in
               files('timm').joinpath('data/_info/imagenet_a_indices.txt').read_text().split()]
    assert dataset.metainfo['subset'] == tuple(indices) and len(dataset.metainfo['classes']) == 1000
    assert labels(dataset) == dict(zip(timm('a'), indices))


def test_another_number_of_images_is_a_warning(set_a, monkeypatch):
    messages = []
    monkeypatch.setattr(test_set, 'print_log', lambda message, **kwargs: messages.append(message))
    ImageNetVariant(set_a, num_classes=200, num_images=200)
    assert not messages
    ImageNetVariant(set_a, num_classes=200, num_images=7500)
    assert 'has 200 images, but the published set has 7500' in messages[0]


@pytest.mark.parametrize('level', ['above', 'inside'])
def test_a_folder_that_is_one_level_off_is_told(set_a, level):
    given = Path(set_a).parent if level == 'above' else Path(set_a) / 'n01498041'
    with pytest.raises(UserError, match=rf"have to be WordNet ids.*Is '{set_a}' the right folder\?"):
        ImageNetVariant(str(given), num_classes=200)


def test_folders_with_numbers_one_level_off(numbered):
    with pytest.raises(UserError, match=rf"or all of the numbers 0 to 999. Is '{numbered}' the right folder\?"):
        ImageNetVariant(str(Path(numbered).parent))


def test_numbers_of_a_smaller_set_are_no_classes_of_imagenet(tmp_path):
    """0 to 199 may be the 200 classes of ImageNet-A, numbered anew."""
    with pytest.raises(UserError, match="images in '0', '1', '10', ..., but its folders have to be WordNet ids"):
        ImageNetVariant(write(tmp_path, map(str, range(200))), num_classes=200)


@pytest.mark.parametrize('name', ['n99999999', '1000', '007', 'tench'])
def test_unknown_classes(numbered, tmp_path, name):
    with pytest.raises(UserError, match=rf"has images in '{name}'"):
        ImageNetVariant(write(tmp_path, [*WNIDS[:999], name]))


def test_sets_that_are_not_whole(set_a, tmp_path):
    with pytest.raises(UserError, match=r'999 folders of classes, not in 1000 \(without images: n01440764\)'):
        ImageNetVariant(write(tmp_path / 'wnids', WNIDS[1:]))
    with pytest.raises(UserError, match=r'998 folders of classes, not in 1000 \(without images: 10, 2\)'):
        ImageNetVariant(write(tmp_path / 'numbers', [str(i) for i in range(1000) if i not in (2, 10)]))
    with pytest.raises(UserError, match='in 200 folders of classes, not in 1000 .*is it the whole set, or another one'):
        ImageNetVariant(set_a)
    with pytest.raises(UserError, match='in 199 folders of classes, not in 200: is it'):
        ImageNetVariant(write(tmp_path / 'a', timm('a')[1:]), num_classes=200)


def test_no_folder_and_no_images(tmp_path):
    with pytest.raises(UserError, match='none.* does not exist.*--test-sets NAME=FOLDER'):
        ImageNetVariant(str(tmp_path / 'none'))
    with pytest.raises(UserError, match='No images in'):
        ImageNetVariant(str(tmp_path))


def test_a_file_that_cannot_be_read_is_an_error(set_a):
    dataset = ImageNetVariant(set_a, num_classes=200, pipeline=[dict(type='mmsimmim.LoadImage')])
    with pytest.raises(UserError, match='n01498041/0.jpeg cannot be read: .*put the file back'):
        dataset[0]
