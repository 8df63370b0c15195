"""Each fault of a COCO-style set is found, named and counted; a set without one passes."""

import json
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from mmsimmim.datasets.checks import Reading, check_config
from mmsimmim.datasets.checks.categories import read_categories
from mmsimmim.datasets.checks.coco_masks import find_mask_fault

from .synthetic import HEIGHT, WIDTH, CocoFolder, annotation, findings, run_lengths, write_image

ROOT = Path(__file__).resolve().parents[3]
NUCLEI = ROOT.parent / 'shared' / 'data' / 'nuclei'


@pytest.fixture
def folder(tmp_path):
    return CocoFolder(tmp_path)


def test_a_set_without_fault_passes(folder):
    report = check_config(folder.config(), Reading(decode=True))
    assert findings(report) == [] and report.count('error') == 0
    train, val, overlap = (' '.join(str(section).split()) for section in report.sections)  # without the line breaks
    assert f'{folder.root}/train.json: images 4, annotations 12, categories 2' in train
    assert 'crowds apart: cat 4, dog 4; crowds: 4' in train and 'decoded 4 of 4 images' in train
    assert val.startswith('val and test ') and 'cat 2, dog 2; crowds: 2' in val
    assert '2 images compared with 4' in overlap and str(report).endswith('0 errors, 0 warnings')


def entry(section, number, /, **changes):
    """A change of one entry; a key with None is taken away."""

    def change(content):
        content[section][number].update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del content[section][number][key]

    return change


def more(section, /, **extra):
    return lambda content: content[section].append(extra)


def box(*values, **extra):
    return more('annotations', **annotation(99, 1, 7, values, **extra))


FAULTS = [
    (lambda content: content.pop('categories'), r'sections that .*train.json lacks, .*: 1 \(categories\)'),
    (entry('images', 1, width=None), r'"images" without width, .*: 1 \(id 1\)'),
    (entry('images', 1, height=0), r'"images" without width or height above 0, .*: 1 \(id 1\)'),
    (entry('annotations', 2, bbox=[1, 2, 3]), r'"annotations" without bbox, .*: 1 \(id 3\)'),
    (entry('annotations', 2, bbox=[1, 2, 3, float('nan')]), r'"annotations" without bbox, .*: 1 \(id 3\)'),
    (entry('annotations', 2, area=None), r'"annotations" without area, .*: 1 \(id 3\)'),
    (lambda content: content['annotations'].clear(), 'no annotation of any class'),
    (entry('annotations', 5, id=1), r'more than one entry of "annotations" has: 1 \(1\)'),
    (more('images', id=0, file_name='4.png', width=WIDTH, height=HEIGHT), r'of "images" has: 1 \(0\)'),
    (more('images', id=50, file_name='1.png', width=WIDTH, height=HEIGHT), r'lists more than once: 1 \(1.png\)'),
    (more('images', id=50, file_name='50.png', width=WIDTH, height=HEIGHT), r'not in .*/train/?: 1 \(50.png\)'),
    (entry('annotations', 4, category_id=9), r'category_id that "categories" does not have: 1 \(id 5: 9\)'),
    (entry('annotations', 4, category_id='7'), r'category_id that "categories" does not have: 1 \(id 5: \'7\'\)'),
    (entry('annotations', 4, image_id=77), r'image_id that "images" does not have: 1 \(id 5: 77\)'),
    (entry('categories', 0, name='Cat'), r'no categories of .*train.json: 1 \(cat\). The file has Cat, dog\.'),
    (more('categories', id=8, name='dog'), r'more than one category of .*train.json has: 1 \(dog\)'),
    (lambda content: content['categories'].reverse(), r'\(cat, dog\) are in another order .*train.json \(dog, cat\)'),
    (box(3, 3, 0, 5), r'without an area.*: 1 \(id 99 in 1.png: \[3 3 0 5\]\)'),
    (box(3, 3, 5, 5, area=0), r'without an area.*: 1 \(id 99'),
    (box(50, 3, 5, 5), r'outside of their image, which are left out: 1 \(id 99 in 1.png: \[50 3 5 5\]\)'),
    (box(30, 20, 20, 20), r'reach beyond their image: 1 \(id 99 in 1.png: \[30 20 20 20\]\)'),
    (box(3, 3, 5, 5, segmentation=[]), r'without a mask, although masks are loaded: 1 \(id 99 in 1.png\)'),
    (box(3, 3, 5, 5, segmentation=[[1, 2, 3, 4]]), r'polygons of less than three points.*: 1 \(id 99 in 1.png\)'),
    (box(3, 3, 5, 5, segmentation=[1, 2, 3, 4, 5, 6]), r'neither lists of polygons nor run lengths: 1 \(id 99'),
    (box(3, 3, 5, 5, segmentation=dict(size=[WIDTH, HEIGHT], counts=[WIDTH * HEIGHT])),
     r'run lengths for another size.*: 1 \(id 99 in 1.png\)'),
]


@pytest.mark.parametrize('change, message', FAULTS)
def test_faults_of_the_annotation_file(folder, change, message):
    content = folder.read('train')
    change(content)
    folder.write('train', content)
    write_image(folder.root / 'train' / '4.png', 4)
    found, = findings(check_config(folder.config()), 'error')
    assert re.search(message, found), found


def test_no_annotation_file_or_no_json(folder):
    (folder.root / 'train.json').write_text('{"images": [')
    assert 'train.json is no JSON' in findings(check_config(folder.config()))[0]
    (folder.root / 'train.json').unlink()
    assert 'train.json does not exist' in findings(check_config(folder.config()))[0]


def test_faults_that_few_samples_have_are_warnings(folder):
    content = folder.read('train')
    content['annotations'] = [annotation(i, i % 4, 3 + i % 2 * 4, (3, 3, 9, 9)) for i in range(300)]
    for number, bad in ((0, [3, 3, 0, 5]), (1, [60, 3, 5, 5]), (2, [30, 20, 20, 20])):
        content['annotations'][number]['bbox'] = bad
    folder.write('train', content)
    report = check_config(folder.config())
    assert report.count('error') == 0 and report.count('warning') == 3


def test_boxes_that_are_left_out_are_those_that_mmdet_leaves_out(folder):
    from mmdet.datasets import CocoDataset
    content = folder.read('train')
    boxes = [(3, 3, 0, 5), (3, 3, 5, 0.9), (50, 3, 5, 5), (-9, 3, 9, 9), (-9, 3, 10, 9), (39, 29, 9, 9), (3, 3, 5, 5)]
    content['annotations'] = [annotation(i, 1, 7, box) for i, box in enumerate(boxes)]
    content['annotations'] += [annotation(20, 1, 7, (3, 3, 5, 5), area=0), annotation(21, 1, 7, (3, 3, 5, 5), ignore=1)]
    folder.write('train', content)
    loaded = CocoDataset(ann_file=f'{folder.root}/train.json', metainfo=dict(classes=('cat', 'dog')),
                         data_prefix=dict(img=''), pipeline=[]).get_data_info(1)['instances']
    report = check_config(folder.config())
    assert len(loaded) == 3 and f'cat 0, dog {len(loaded)}' in str(report)
    assert 'classes without an annotation: 1 (cat)' in str(report)


@pytest.mark.parametrize('segmentation, fault', [
    ([[1, 1, 5, 1, 5, 5]], ''), ([[1, 1, 5, 1, 5, 5], [1, 1]], 'less than three points'),
    ([[1, 1, 5, 1, 5, 5, 7]], 'odd number'), ([[1, 1, 5, 1, 5, float('inf')]], 'no numbers'),
    (run_lengths(3, 4, 5, 6), ''), (dict(size=[HEIGHT, WIDTH]), 'without counts'),
    (dict(size=[HEIGHT, WIDTH], counts=[5, 6]), 'do not fill'),
    (dict(size=[HEIGHT, WIDTH], counts=[-5, WIDTH * HEIGHT + 5]), 'do not fill')])
def test_masks(segmentation, fault):
    found = find_mask_fault(segmentation, HEIGHT, WIDTH)
    assert fault in found and bool(fault) == bool(found)


def test_compressed_run_lengths():
    from pycocotools import mask
    packed = mask.frPyObjects(run_lengths(3, 4, 5, 6), HEIGHT, WIDTH)
    good = dict(size=packed['size'], counts=packed['counts'].decode())
    assert find_mask_fault(good, HEIGHT, WIDTH) == ''
    assert 'do not fill' in find_mask_fault(good | dict(counts=good['counts'][:-2]), HEIGHT, WIDTH)


def test_masks_matter_where_they_are_loaded_or_scored(folder):
    for split in ('train', 'val'):
        content = folder.read(split)
        for one in content['annotations']:
            del one['segmentation']
        folder.write(split, content)
    report = check_config(folder.config())
    assert [text.split(' (')[0].rsplit(': ')[1] for text in findings(report, 'error')] == ['12', '6']
    boxes = [dict(type='LoadAnnotations', with_bbox=True)]
    changes = {'train_dataloader.dataset.dataset.pipeline': boxes, 'val_dataloader.dataset.pipeline': boxes,
               'test_dataloader.dataset.pipeline': boxes}
    assert len(findings(check_config(folder.config(**changes)), 'error')) == 1
    changes |= {'val_evaluator.metric': 'bbox', 'test_evaluator.metric': 'bbox'}
    assert findings(check_config(folder.config(**changes))) == []


def test_run_lengths_where_masks_stay_polygons(folder):
    pipeline = [dict(type='LoadAnnotations', with_mask=True, poly2mask=False)]
    report = check_config(folder.config(**{'train_dataloader.dataset.dataset.pipeline': pipeline}))
    assert 'LoadAnnotations(poly2mask=False) are left out: 4 (id 2 in 0.png, ' in findings(report, 'error')[0]


def test_categories_that_are_left_out_and_classes_that_are_spelled_wrong(folder):
    metainfo = dict(classes=('dog', ))
    changes = {'train_dataloader.dataset.dataset.metainfo': metainfo, 'model.roi_head.bbox_head.num_classes': 1,
               'model.roi_head.mask_head.num_classes': 1, 'val_dataloader.dataset.metainfo': metainfo,
               'test_dataloader.dataset.metainfo': metainfo}
    report = check_config(folder.config(**changes))
    assert report.count('error') == 0
    assert 'left out: 1 (cat: 4 annotations)' in findings(report, 'warning')[0]
    metainfo['classes'] = 'dog'
    assert "classes='dog' is a word" in findings(check_config(folder.config(**changes)), 'error')[0]
    metainfo['classes'] = ('dogs', )
    report = check_config(folder.config(**changes))
    assert '(dogs)' in findings(report, 'error')[0] and 'cat 4, dog 4; crowds: 4' in str(report.sections[0])
    cfg = folder.config(**{'train_dataloader.dataset.dataset.metainfo': dict(_delete_=True, CLASSES=('cat', 'dog'))})
    assert 'CLASSES' in findings(check_config(cfg), 'error')[0]


def test_evaluation_of_another_file(folder):
    report = check_config(folder.config(**{'val_evaluator.ann_file': f'{folder.root}/train.json'}))
    assert f'CocoMetric reads {folder.root}/train.json, the dataset {folder.root}/val.json' in findings(report)[0]


def test_evaluation_needs_to_know_crowds(folder):
    content = folder.read('val')
    del content['annotations'][1]['iscrowd']
    folder.write('val', content)
    error, = findings(check_config(folder.config()), 'error')
    assert 'without iscrowd, which the evaluation reads: 1 (id 2)' in error


def test_tests_without_annotations(folder):
    content = folder.read('val')
    del content['annotations']
    folder.write('val', content)
    assert 'sections that' in findings(check_config(folder.config()), 'error')[0]
    changes = {f'{split}_evaluator.format_only': True for split in ('val', 'test')}
    report = check_config(folder.config(**changes))
    assert report.count('error') == 0 and 'none are needed' in findings(report, 'note')[0]


def test_notes(folder):
    content = folder.read('train')
    content['annotations'] = [one for one in content['annotations']
                              if one['image_id'] not in (2, 3) or (one['image_id'] == 3 and one['iscrowd'])]
    content['images'].append(dict(id=60, file_name='60.png', width=12, height=12))
    folder.write('train', content)
    write_image(folder.root / 'train' / '60.png', 60, size=(12, 12))
    write_image(folder.root / 'train' / 'new.jpg', 61)
    assert findings(check_config(folder.config())) == [
        'images without annotations, which are left out of the training: 2 (2.png, 60.png).',
        'images that have annotations of crowds only: 1 (3.png).',
        'images smaller than min_size=16, which are left out of the training: 1 (60.png).',
        f'images in {folder.root}/train/ that no dataset of the config lists: 1 (new.jpg).']


def test_images(folder):
    path = folder.root / 'train' / '1.png'
    content = path.read_bytes()
    path.write_bytes(content[:-500])
    assert findings(check_config(folder.config())) == []
    assert f'cannot be read: 1 ({path}' in findings(check_config(folder.config(), Reading(decode=True)), 'error')[0]
    path.write_text('no image')
    assert f'cannot be read: 1 ({path}: not an image)' in findings(check_config(folder.config()), 'error')[0]
    write_image(path, 1, size=(WIDTH, HEIGHT + 2))
    assert f'height): 1 ({path}: 40 x 32 instead of 40 x 30)' in findings(check_config(folder.config()), 'error')[0]
    (folder.root / 'train').rename(folder.root / 'elsewhere')
    assert f'{folder.root}/train/ does not exist' in findings(check_config(folder.config()), 'error')[0]


def test_sizes_are_those_after_turning_by_exif(folder):
    from mmcv import imread
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (HEIGHT, WIDTH)).save(folder.root / 'train' / '1.jpg', exif=exif)
    content = folder.read('train')
    content['images'][1]['file_name'] = '1.jpg'
    folder.write('train', content)
    (folder.root / 'train' / '1.png').unlink()
    assert imread(str(folder.root / 'train' / '1.jpg')).shape[:2] == (HEIGHT, WIDTH)
    assert findings(check_config(folder.config())) == []
    content['images'][1].update(width=HEIGHT, height=WIDTH)
    content['annotations'] = [one for one in content['annotations'] if one['image_id'] != 1]
    folder.write('train', content)
    assert '40 x 30, turned by EXIF data instead of 30 x 40' in findings(check_config(folder.config()), 'error')[0]


def test_samples(folder):
    (folder.root / 'train' / '1.png').write_text('no image')
    report = check_config(folder.config(), Reading(sample=2))
    assert 'headers read of 2 of 4 images' in str(report) and report.count('error') == 0


def test_images_of_both_splits(folder):
    image = (folder.root / 'train' / '2.png').read_bytes()
    (folder.root / 'val' / '100.png').write_bytes(image)
    error, = findings(check_config(folder.config()), 'error')
    assert f'in both: 1 ({folder.root}/train/2.png = {folder.root}/val/100.png)' in error
    (folder.root / 'val' / '100.png').rename(folder.root / 'val' / '2.png')
    content = folder.read('val')
    content['images'][0]['file_name'] = '2.png'
    folder.write('val', content)
    assert findings(check_config(folder.config()), 'warning') == []
    write_image(folder.root / 'val' / '2.png', 77)
    warning, = findings(check_config(folder.config()), 'error', 'warning')
    assert 'file names that are in both, with other content: 1 (2.png)' in warning
    cfg = folder.config(**{'val_dataloader.dataset.ann_file': 'train.json', 'val_dataloader.dataset.data_prefix.img':
                           'train/', 'val_evaluator.ann_file': f'{folder.root}/train.json'})
    assert f'in both: 4 ({folder.root}/train/0.png, ' in findings(check_config(cfg), 'error')[0]


@pytest.mark.parametrize('data, loaders', [
    (ROOT / 'demo/data/nuclei', ('train', 'val')), (ROOT / 'demo/data/aerial', ('train', 'val')),
    (NUCLEI, ('images/train', 'images/val'))])
def test_counts_are_those_of_pycocotools(data, loaders):
    if not data.exists():
        pytest.skip(f'{data} is not there')
    from pycocotools.coco import COCO
    apis = {split: COCO(str(data / f'instances_{split}.json')) for split in ('train', 'val')}
    names = tuple(category['name'] for category in apis['train'].loadCats(apis['train'].getCatIds()))
    report = check_config(Config(dict(default_scope='mmdet') | {f'{split}_dataloader': dict(dataset=dict(
        type='CocoDataset', data_root=str(data), metainfo=dict(classes=names), ann_file=f'instances_{split}.json',
        data_prefix=dict(img=folder), pipeline=[dict(type='LoadAnnotations', with_mask='nuclei' in str(data))]))
        for split, folder in zip(apis, loaders)}))
    assert findings(report, 'error', 'warning') == []
    for section, api in zip(report.sections, apis.values()):
        each, crowds = len(api.getAnnIds(iscrowd=False)), len(api.getAnnIds(iscrowd=True))
        assert f'images {len(api.imgs)}, annotations {len(api.anns)}, categories 1' in section.facts[0]
        assert section.facts[1].endswith(f'{names[0]} {each}' + (f'; crowds: {crowds}' if crowds else ''))


@pytest.mark.parametrize('order', [('info', 'categories', 'images'), ('images', 'info', 'categories')])
def test_categories_are_read_alone(tmp_path, order):
    categories = [dict(id=1, name='a [b] "c"', skeleton=[[1, 2], [2, 3]]), dict(id=2, name='d', keypoints=['x'])]
    content = dict(categories=categories, info=dict(categories=['other', 'things']),
                   images=[dict(id=1, note='"categories": [')])
    (tmp_path / 'x.json').write_text(json.dumps({key: content[key] for key in order}, indent=1))
    assert read_categories(str(tmp_path / 'x.json')) == categories
    (tmp_path / 'x.json').write_text(json.dumps(dict(categories=[])))
    assert read_categories(str(tmp_path / 'x.json')) == []


def test_made_up_run_lengths_are_right():
    from pycocotools import mask
    decoded = mask.decode(mask.frPyObjects(run_lengths(3, 4, 5, 6), HEIGHT, WIDTH))
    assert decoded.sum() == 30 and decoded[4:10, 3:8].all()
