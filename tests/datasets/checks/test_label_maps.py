"""Each fault of a set of images and label maps is found, named and counted; a set without one passes."""

import shutil

import numpy as np
import pytest
from PIL import Image

from mmsimmim.datasets.checks import Reading, check_config
from mmsimmim.datasets.checks.label_maps import as_loaded

from .synthetic import HEIGHT, SPLITS, WIDTH, PairFolder, findings, write_image


@pytest.fixture
def folder(tmp_path):
    return PairFolder(tmp_path)


def errors(folder, reading=None, **changes):
    return findings(check_config(folder.config(**changes), reading), 'error')


def of_both(**changes):
    return {f'{split}_dataloader.dataset.{key}': value for split in ('train', 'val', 'test')
            for key, value in changes.items()}


def test_a_set_without_fault_passes(folder):
    report = check_config(folder.config(), Reading(decode=True))
    assert findings(report) == [] and report.count('error') == 0
    train, val, overlap = report.sections
    assert train.facts[1:] == [
        '4 of 4 label maps read',
        'pixels per class (and in how many label maps): ground 40.00% (4), car 33.33% (4), tree 16.67% (4); ignored '
        '10.00% (4)']
    assert val.title == 'val and test' and overlap.facts == ['2 images compared with 4, by content']


def test_images_without_a_label_map_and_label_maps_without_an_image(folder):
    path = folder.root / 'labels' / 'train' / '2.png'
    path.rename(path.with_name('5.png'))
    report = check_config(folder.config())
    error, = findings(report, 'error')
    warning, = findings(report, 'warning')
    assert f'without a label map: 1 ({folder.root}/images/train/2.jpg: no {path})' in error
    assert f'without an image: 1 ({folder.root}/labels/train/5.png)' in warning


def test_lists_of_names(folder):
    (folder.root / 'train.txt').write_text('0\n2\n9\n')
    changes = {'train_dataloader.dataset.ann_file': 'train.txt'}
    report = check_config(folder.config(**changes))
    error, = findings(report, 'error')
    assert f'do not exist: 1 ({folder.root}/images/train/9.jpg). {folder.root}/train.txt lists them' in error
    assert 'no dataset of the config lists: 2 (1.jpg, 3.jpg)' in findings(report, 'note')[0]
    changes = {'train_dataloader.dataset.ann_file': 'none.txt'}
    assert 'none.txt does not exist' in errors(folder, **changes)[0]


def test_folders(folder):
    error, = errors(folder, **{'train_dataloader.dataset.data_prefix.img_path': 'images/none'})
    assert f'do not exist: 1 (img_path {folder.root}/images/none). Correct data_root' in error
    error, = errors(folder, **{'train_dataloader.dataset.img_suffix': '.png'})
    assert 'no images that end in .png. Set img_suffix; the files end in: .jpg (4)' in error


def test_sizes(folder):
    folder.write('train/1.png', folder.labels()[:20])
    error, = errors(folder)
    assert f'(width x height): 1 ({folder.root}/labels/train/1.png: 40 x 20, image 40 x 30)' in error
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new('RGB', (WIDTH, HEIGHT)).save(folder.root / 'images' / 'train' / '1.jpg', exif=exif)
    folder.write('train/1.png', folder.labels())
    assert '40 x 30, image 30 x 40, turned by EXIF data' in errors(folder)[0]


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA'])
def test_colour_images(folder, mode):
    folder.write('train/1.png', Image.fromarray(folder.labels()).convert(mode))
    assert f'colour images: 1 ({folder.root}/labels/train/1.png: {mode})' in errors(folder)[0]


def test_palettes_are_read_as_mmsegmentation_reads_them(folder):
    from mmseg.datasets.transforms import LoadAnnotations
    image = Image.fromarray(folder.labels()).convert('P')
    image.putpalette([7, 7, 7] * 256)
    image.putdata(folder.labels().ravel().tolist())
    folder.write('train/1.png', image)
    sample = dict(seg_map_path=folder.root / 'labels/train/1.png', seg_fields=[], reduce_zero_label=False)
    np.testing.assert_array_equal(LoadAnnotations().transform(sample)['gt_seg_map'], folder.labels())
    report = check_config(folder.config())
    assert findings(report) == [f'label maps with a palette, whose indices count as labels: 1 ({folder.root}/labels/'
                                'train/1.png).']
    loader = [dict(type='LoadAnnotations', imdecode_backend='cv2')]
    assert 'colour images: 1' in errors(folder, **{'train_dataloader.dataset.pipeline': loader})[0]


def test_values_out_of_range(folder):
    labels = folder.labels()
    labels[0, :2], labels[1, 0] = (9, 200), 77
    folder.write('train/3.png', labels)
    error, = errors(folder)
    assert (f'values out of range: 1 ({folder.root}/labels/train/3.png: 9, 77, 200). Values are 0 to 2; 255 is ignored.'
            in error)
    for number, extra in ((3, True), (4, False)):
        folder.write('train/3.png', np.where(folder.labels() == 2, number, folder.labels()).astype(np.uint8))
        assert ('If 0 means unlabelled, set reduce_zero_label=True' in errors(folder)[0]) == extra


def test_values_of_more_than_8_bits(folder):
    folder.write('train/3.png', folder.labels().astype(np.uint16) + 256)
    assert '/labels/train/3.png: 256, 257, 258, ...)' in errors(folder)[0]
    folder.write('train/3.png', Image.fromarray(folder.labels().astype(np.uint16)))
    assert errors(folder) == []


def test_reduced_labels(folder):
    changes = of_both(reduce_zero_label=True)
    assert findings(check_config(folder.config(**changes))) == 2 * [
        'classes that never occur: 1 (tree). By reduce_zero_label, 1 is the first class in the files, and 0 is '
        'ignored.']
    reduced = np.where(folder.labels() < 255, folder.labels() + 1, 0).astype(np.uint8)
    for split, number in SPLITS.items():
        for i in range(number):
            folder.write(f'{split}/{i}.png', reduced)
    report = check_config(folder.config(**changes))
    assert findings(report) == [] and 'ground 40.00% (4), car 33.33% (4), tree 16.67%' in str(report)
    folder.write('train/0.png', np.full((HEIGHT, WIDTH), 4, dtype=np.uint8))
    assert '/0.png: 4). Values are 1 to 3; 255 and, by reduce_zero_label, 0 are ignored' in errors(folder, **changes)[0]


def test_the_loader_must_agree_with_the_dataset(folder):
    loader = [dict(type='LoadAnnotations', reduce_zero_label=True)]
    error, = errors(folder, **{'train_dataloader.dataset.pipeline': loader})
    assert 'reduce_zero_label is True in LoadAnnotations, False in the dataset' in error
    assert 'has no LoadAnnotations' in errors(folder, **{'train_dataloader.dataset.pipeline': []})[0]


@pytest.mark.parametrize('reduce', [False, True])
@pytest.mark.parametrize('classes', [None, ('cat', 'sky')])
def test_labels_are_those_that_mmsegmentation_loads(tmp_path, reduce, classes):
    from mmseg.datasets import BaseSegDataset
    from mmseg.datasets.transforms import LoadAnnotations

    class Some(BaseSegDataset):
        METAINFO = dict(classes=('sky', 'dog', 'cat'), palette=[[0] * 3, [1] * 3, [2] * 3])

    new = Some(metainfo=dict(classes=classes) if classes else None, lazy_init=True).label_map
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / 'x.png')
    loaded = LoadAnnotations().transform(
        dict(seg_map_path=tmp_path / 'x.png', seg_fields=[], reduce_zero_label=reduce, label_map=new))['gt_seg_map']
    assert loaded.ravel().tolist() == [as_loaded(value, reduce, new) for value in range(256)]


def test_some_of_the_classes(folder):
    from mmseg.datasets import BaseSegDataset
    from mmseg.registry import DATASETS

    class SomeClassesDataset(BaseSegDataset):
        METAINFO = dict(classes=('ground', 'car', 'tree'), palette=[[0] * 3, [1] * 3, [2] * 3])

    DATASETS.register_module(module=SomeClassesDataset, force=True)
    changes = of_both(type='SomeClassesDataset', metainfo=dict(classes=('tree', 'ground')))
    changes |= {'model.decode_head.num_classes': 2, 'model.auxiliary_head': dict(_delete_=True)}
    report = check_config(folder.config(**changes))
    assert report.count('error') == 0 and 'tree 16.67% (4), ground 40.00% (4); ignored 43.33% (4)' in str(report)
    folder.write('train/0.png', np.full((HEIGHT, WIDTH), 3, dtype=np.uint8))
    assert '/0.png: 3). Values are 0 to 2;' in errors(folder, **changes)[0]


def test_classes_that_never_occur(folder):
    for i in range(4):
        folder.write(f'train/{i}.png', np.minimum(folder.labels(), 1))
    report = check_config(folder.config())
    assert findings(report) == ['classes that never occur: 1 (tree).']
    folder.write('train/0.png', np.full((HEIGHT, WIDTH), 255, dtype=np.uint8))
    warning = findings(check_config(folder.config()))[0]
    assert f'every pixel is ignored: 1 ({folder.root}/labels/train/0.png)' in warning
    for i in range(4):
        folder.write(f'train/{i}.png', np.where(folder.labels() == 1, 255, 0).astype(np.uint8))
    error, = errors(folder)
    assert 'nothing to learn' in error and '0 and 255 only: write 1 where 255 is meant to be a class' in error


def test_files_that_cannot_be_read(folder):
    path = folder.root / 'labels' / 'train' / '0.png'
    path.write_bytes(path.read_bytes()[:60])
    assert f'label maps that cannot be read: 1 ({path}: ' in errors(folder)[0]
    folder.write('train/0.png', folder.labels())
    path = folder.root / 'images' / 'train' / '0.jpg'
    path.write_bytes(path.read_bytes()[:-600])
    assert errors(folder) == []
    assert f'images that cannot be read: 1 ({path}: ' in errors(folder, Reading(decode=True))[0]


def test_samples(folder):
    report = check_config(folder.config(), Reading(sample=3))
    assert '3 of 4 label maps read' in str(report)
    for i in range(4):
        folder.write(f'train/{i}.png', np.minimum(folder.labels(), 1))
    assert 'never occur in the label maps that were read: 1' in str(check_config(folder.config(), Reading(sample=3)))


def test_images_of_both_splits(folder):
    shutil.copy(folder.root / 'images/train/3.jpg', folder.root / 'images/val/0.jpg')
    assert f'in both: 1 ({folder.root}/images/train/3.jpg = {folder.root}/images/val/0.jpg)' in errors(folder)[0]
    error, = errors(folder, **{'val_dataloader.dataset.data_prefix': dict(
        img_path='images/train', seg_map_path='labels/train')}, **{'test_dataloader': None})
    assert f'in both: 4 ({folder.root}/images/train/0.jpg, ' in error


def test_tests_without_label_maps(folder):
    shutil.rmtree(folder.root / 'labels' / 'val')
    assert f'(seg_map_path {folder.root}/labels/val)' in errors(folder)[0]
    changes = {f'{split}_dataloader.dataset.pipeline': [dict(type='LoadImageFromFile')] for split in ('val', 'test')}
    report = check_config(folder.config(**changes))
    assert report.count('error') == 0 and 'no label maps are loaded' in findings(report, 'note')[0]


def test_images_with_another_ending(folder):
    write_image(folder.root / 'images/train/7.JPG', 7)
    assert 'no dataset of the config lists: 1 (7.JPG)' in findings(check_config(folder.config()), 'note')[0]
