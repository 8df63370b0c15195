"""Which class an image of a LabelledImageFolder has."""

import os

import pytest

from mmsimmim.datasets import LabelledImageFolder
from mmsimmim.errors import UserError

PIPELINE = [dict(type='mmsimmim.LoadImage'), dict(type='mmpretrain.PackInputs')]


@pytest.fixture
def flowers(tmp_path, write_image):
    """Classes 'b' and 'a c' with nested images, an empty folder, a hidden one, and an image of no class."""
    for seed, name in enumerate(['b/0.png', 'b/x/1.png', 'a c/2.png', 'a c/3.png', 'a c/4.png', 'loose.png',
                                 '.hidden/5.png']):
        write_image(tmp_path / 'train' / name, seed)
    (tmp_path / 'train' / 'empty').mkdir()
    return tmp_path


def labels(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {os.path.relpath(info['img_path'], dataset.data_root): info['gt_label'] for info in infos}


def test_folders_are_classes_in_the_order_of_their_names(flowers):
    dataset = LabelledImageFolder(str(flowers), data_prefix='train')
    assert dataset.metainfo['classes'] == ('a c', 'b')
    assert labels(dataset) == {'a c/2.png': 0, 'a c/3.png': 0, 'a c/4.png': 0, 'b/0.png': 1, 'b/x/1.png': 1}


def test_given_classes_number_the_folders(flowers):
    dataset = LabelledImageFolder(str(flowers / 'train'), metainfo=dict(classes=['b', 'rare', 'a c']))
    assert labels(dataset)['b/0.png'] == 0 and labels(dataset)['a c/2.png'] == 2


def test_labels_are_packed(flowers):
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    dataset = LabelledImageFolder(str(flowers), data_prefix='train', pipeline=PIPELINE)
    assert [dataset[i]['data_samples'].gt_label.item() for i in range(5)] == [0, 0, 0, 1, 1]


def test_a_split_keeps_all_classes_and_covers_the_folder(flowers):
    sides = [LabelledImageFolder(str(flowers / 'train'), split=side, val_ratio=0.3) for side in ('train', 'val')]
    assert sides[0].metainfo['classes'] == sides[1].metainfo['classes'] == ('a c', 'b')
    assert labels(sides[0]) | labels(sides[1]) == labels(LabelledImageFolder(str(flowers / 'train')))


def test_an_unreadable_file_is_replaced_with_the_label_of_its_stand_in(flowers):
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    for path in (flowers / 'train' / 'a c').iterdir():
        path.write_bytes(b'no image')
    dataset = LabelledImageFolder(str(flowers / 'train'), pipeline=PIPELINE)
    samples = [dataset[i]['data_samples'] for i in range(5)]
    assert [sample.gt_label.item() for sample in samples] == [1] * 5
    assert 'a c/2.png' in samples[0].skipped_files


def test_mistakes_name_the_folder_and_the_cure(flowers):
    with pytest.raises(UserError, match="flowers/val' does not exist"):
        LabelledImageFolder('flowers', data_prefix='val')
    with pytest.raises(UserError, match='no folder with images in it.*one folder per class'):
        LabelledImageFolder(str(flowers / 'train' / 'a c'))
    with pytest.raises(UserError, match=r"has the folder\(s\) a c, not among the 1 of metainfo\['classes'\]"):
        LabelledImageFolder(str(flowers / 'train'), metainfo=dict(classes=['b']))
    with pytest.raises(UserError, match='needs data_root'):
        LabelledImageFolder('', data_prefix='train')
