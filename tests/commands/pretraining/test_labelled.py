"""Labelled folders on which a run is probed: which are taken, how many of their images, and what is said of them."""

import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

from mmsimmim.commands.pretraining.labelled import LEAST, MOST, VAL_RATIO, Labelled, read_labelled
from mmsimmim.commands.pretraining.source import source_options
from mmsimmim.commands.pretraining.survey import survey
from mmsimmim.errors import UserError
from mmsimmim.registry import DATASETS


def fill(folder, counts):
    """Images that differ, so many for each name of a class."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new('RGB', (8, 8), (number, sum(name.encode()) % 256, len(str(folder)) % 256)).save(
                folder / name / f'{number}.bmp')
    return folder


@pytest.fixture
def found(tmp_path):
    fill(tmp_path, dict(unlabelled=30))
    return survey(source_options(tmp_path / 'unlabelled', tmp_path))


@pytest.mark.parametrize('val', ['val', 'validation'])
def test_both_sides_are_taken_with_the_classes_of_the_one_to_fit_to(tmp_path, found, val):
    fill(tmp_path / 'set' / 'train', dict(cat=15, dog=10, owl=1))
    fill(tmp_path / 'set' / val, dict(dog=12))
    labelled = read_labelled(tmp_path / 'set', found)
    assert labelled.counts == dict(train=[15, 10, 1], val=[0, 12, 0]) and not labelled.divided
    assert DATASETS.build(labelled.sides['val']).get_data_info(0)['gt_label'] == 1


def test_classes_alone_are_divided_one_in_five_and_no_image_is_on_both_sides(tmp_path, found):
    labelled = read_labelled(fill(tmp_path / 'set', dict(cat=100, train=100)), found)
    train, val = (DATASETS.build(settings) for settings in labelled.sides.values())
    names = [{dataset.name_of(index) for index in range(len(dataset))} for dataset in (train, val)]
    assert labelled.divided and not names[0] & names[1] and len(names[0] | names[1]) == 200
    assert abs(len(val) - 200 * VAL_RATIO) < 20
    assert 'one in five to classify' in labelled.plan(recipe(100), 1, 10)[1][0]


@pytest.mark.parametrize('counts, message', [
    ({}, 'has no classes'),
    (dict(cat=40), 'a single class, cat: '),
    (dict(cat=8, dog=8), 'too few images: 1[0-9] to fit to and'),
])
def test_what_cannot_be_probed_is_one_sentence(tmp_path, found, counts, message):
    (tmp_path / 'set').mkdir()
    with pytest.raises(UserError, match=f'--labelled .*{message}') as raised:
        read_labelled(fill(tmp_path / 'set', counts), found)
    assert '\n' not in str(raised.value)


def test_a_class_to_classify_that_there_is_none_of_to_fit_to_is_named(tmp_path, found):
    fill(tmp_path / 'set' / 'train', dict(cat=15, dog=10))
    fill(tmp_path / 'set' / 'val', dict(emu=12))
    with pytest.raises(UserError, match='emu'):
        read_labelled(tmp_path / 'set', found)


def test_no_folder_is_said(tmp_path, found):
    with pytest.raises(UserError, match='--labelled .*nowhere'):
        read_labelled(tmp_path / 'nowhere', found)


def test_images_to_classify_that_are_trained_on_are_counted_by_content(tmp_path, found):
    folder = fill(tmp_path / 'set', dict(cat=60, dog=60))
    held_out = {DATASETS.build(dict(type='mmsimmim.ImageFolder', data_root=str(tmp_path / 'unlabelled'), split='val')
                               ).name_of(index) for index in range(found.num_images - found.num_training)}
    trained = sorted(path for path in (tmp_path / 'unlabelled').iterdir() if path.name not in held_out)
    val = DATASETS.build(read_labelled(folder, found).sides['val'])
    for index in range(3):
        shutil.copy(trained[index], folder / val.name_of(index))
    shutil.copy(tmp_path / 'unlabelled' / min(held_out), folder / val.name_of(3))
    labelled = read_labelled(folder, found)
    assert labelled.leaked == 3
    assert any(line.startswith(f'WARNING: 3 of the {len(val)} labelled') for line in labelled.plan(
        recipe(100), 1, 10)[1])


def recipe(max_iters, device_batch=10):
    return SimpleNamespace(max_iters=max_iters, device_batch=device_batch)


def counted(train, val):
    classes = dict(metainfo=dict(classes=['a', 'b']), data_root='set')
    return Labelled(dict(train=classes, val=classes), dict(train=train, val=val), False, 0)


class TestPlan:

    @pytest.mark.parametrize('max_iters, devices, expected', [
        (100, 1, LEAST),  # a short run
        (11_000, 1, 3000),  # 11 moments, 10,000 images between two
        (5500, 1, 1500),
        (2750, 2, 1500),
        (10**6, 8, MOST),
    ])
    def test_the_longer_the_run_the_more_images_are_probed(self, max_iters, devices, expected):
        hook, lines = counted([50_000, 50_000], [5000, 5000]).plan(recipe(max_iters), devices, max_iters // 10)
        taken = 100_000 * hook['train']['fraction'], 10_000 * hook['val']['fraction']
        assert taken == pytest.approx((expected / 2, expected / 2), abs=0.2)
        assert f'{expected // 2:,} of 100,000 images to fit to and {expected // 2:,} of 10,000' in lines[0]
        assert '10 times after' in lines[0]

    def test_all_of_a_small_folder_are_probed(self):
        hook, lines = counted([10, 10], [100, 30]).plan(recipe(100), 1, 10)
        assert (hook['train']['fraction'], hook['val']['fraction'], hook['k']) == (1, 1, 20) and len(lines) == 1

    def test_a_small_class_keeps_an_image(self):
        hook, _ = counted([10_000, 2], [100, 100]).plan(recipe(100), 1, 10)
        assert int(hook['train']['fraction'] * 2) == 1

    def test_a_class_so_small_that_all_would_be_probed_is_named(self):
        with pytest.raises(UserError, match='the class b has 1 image of 1,000,001'):
            counted([1_000_000, 1], [100, 100]).plan(recipe(100), 1, 10)

    def test_few_images_to_classify_deserve_a_warning(self):
        _, lines = counted([100, 100], [25, 25]).plan(recipe(100), 1, 10)
        assert lines[1].startswith('WARNING: 50 labelled images to classify are few: one of them is 2 percent')
