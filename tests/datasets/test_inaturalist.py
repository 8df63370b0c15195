"""iNaturalist's lists, and the labels that they give to the images in its folders."""

import json
import re

import pytest

from mmsimmim.datasets import INaturalist
from mmsimmim.errors import UserError

FILES = ['Plantae/7/c.jpg', 'Aves/2/a.jpg', 'Aves/2/b.jpg', 'Aves/10/d.jpg']
CATEGORIES = [dict(id=10, name='Corvus corax'), dict(id=2, name='Pica pica'), dict(id=7, name='Bellis perennis')]


@pytest.fixture
def inat(tmp_path, write_image):
    """The layout of 2018 with four images of three categories, and one that is in no list."""
    for seed, name in enumerate([*FILES, 'Aves/2/unlisted.jpg']):
        write_image(tmp_path / 'train_val2018' / name, seed)
    write_list(tmp_path)
    return tmp_path


def write_list(folder, **replaced):
    """A list whose images and annotations are in different orders, as nothing promises that they agree."""
    images = [dict(id=100 + i, file_name=f'train_val2018/{name}', width=64, height=48) for i, name in enumerate(FILES)]
    annotations = [dict(id=i, image_id=100 + i, category_id=int(FILES[i].split('/')[1])) for i in (2, 0, 3, 1)]
    content = dict(info={}, images=images, annotations=annotations, categories=CATEGORIES, licenses=[])
    content.update(replaced)
    (folder / 'train2018.json').write_text(json.dumps({key: part for key, part in content.items() if part is not None}))
    return content


def labels(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {info['img_path'].split('train_val2018/')[1]: info['gt_label'] for info in infos}


def test_labels_are_categories_in_the_order_of_their_ids(inat):
    dataset = INaturalist(str(inat), 'train2018.json')
    assert dataset.metainfo['classes'] == ('Pica pica', 'Bellis perennis', 'Corvus corax')
    assert labels(dataset) == {'Aves/10/d.jpg': 2, 'Aves/2/a.jpg': 0, 'Aves/2/b.jpg': 0, 'Plantae/7/c.jpg': 1}
    assert [info['sample_idx'] for info in (dataset.get_data_info(1), dataset.get_data_info(-1))] == [1, 3]


def test_a_part_of_the_list_keeps_its_labels(inat):
    dataset = INaturalist(str(inat), 'train2018.json', indices=[3, 0])
    assert labels(dataset) == {'Plantae/7/c.jpg': 1, 'Aves/10/d.jpg': 2}


def test_an_unreadable_file_is_replaced_with_the_label_of_its_stand_in(inat):
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    (inat / 'train_val2018' / 'Aves/10/d.jpg').write_bytes(b'no image')
    pipeline = [dict(type='mmsimmim.LoadImage'), dict(type='mmpretrain.PackInputs')]
    samples = [sample['data_samples'] for sample in INaturalist(str(inat), 'train2018.json', pipeline=pipeline)]
    assert [sample.gt_label.item() for sample in samples[1:]] == [0, 0, 1]
    assert 'd.jpg' in next(iter(samples[0].skipped_files)) and samples[0].gt_label.item() in (0, 1)


@pytest.mark.parametrize('replaced, message', [
    (dict(annotations=None), r"has no list 'annotations' of entries with image_id and category_id"),
    (dict(images=[5]), r"has no list 'images' of entries with id and file_name"),
    (dict(categories=[dict(id=2)]), r"has no list 'categories' of entries with id and name"),
    (dict(annotations=[dict(image_id=100, category_id=7)]), r'image train_val2018/Aves/2/a.jpg has no annotation'),
    (dict(categories=CATEGORIES[:2]), r'image train_val2018/Plantae/7/c.jpg has category 7, .* among the 2 categories'),
    (dict(annotations=[dict(image_id=100, category_id=7), dict(image_id=100, category_id=2)]),
     r'image 100 has the categories 7 and 2'),
    (dict(annotations=[dict(image_id=100 + i, category_id=category) for i, category in enumerate((7, 2, 7, 10))]),
     r'the folder train_val2018/Aves/2 has images of Pica pica and Bellis perennis'),
    (dict(images=[dict(id=101, file_name='elsewhere/2/a.jpg')]), r'such as elsewhere/2/a.jpg, are not below'),
])
def test_a_list_that_does_not_fit_is_named_with_the_cure(inat, replaced, message):
    write_list(inat, **replaced)
    with pytest.raises(UserError, match=f'{re.escape(str(inat))}/train2018.json: .*{message}'):
        INaturalist(str(inat), 'train2018.json')


def test_a_list_that_is_missing_or_broken(inat):
    with pytest.raises(UserError, match="val2018.json' does not exist .*Set data_root"):
        INaturalist(str(inat), 'val2018.json')
    (inat / 'train2018.json').write_text('{"images": [')
    with pytest.raises(UserError, match='train2018.json: it is no JSON file'):
        INaturalist(str(inat), 'train2018.json')
    with pytest.raises(UserError, match="folder 'nowhere' does not exist"):
        INaturalist('nowhere', 'train2018.json')


def test_the_check_of_classes_knows_them(inat):
    from mmsimmim.engine.hooks.check_classes import _require_categories, _require_same
    dataset = INaturalist(str(inat), 'train2018.json')
    _require_categories(dataset, 'training')
    with pytest.raises(UserError, match='Corvus corax'):
        _require_same(list(dataset.metainfo['classes']), ['Pica pica', 'Bellis perennis'])
