"""Objects365 v2 in its own layout: found where MMDetection looks, without the images that were never distributed."""

import json

import pytest
from mmengine.config import Config

from mmsimmim.commands.checks.data_files import check_data_files
from mmsimmim.datasets.checks import Reading, Report, check_config
from mmsimmim.datasets.checks.config import read_parts
from mmsimmim.datasets.checks.objects365 import check_objects365
from mmsimmim.datasets.checks.report import Section
from mmsimmim.errors import UserError

from .synthetic import HEIGHT, WIDTH, CocoFolder, findings

NEVER_DISTRIBUTED = 'images/v2/patch16/objects365_v2_00908726.jpg'


@pytest.fixture
def folder(tmp_path):
    """Images in patches, listed below other folders than they are unpacked to, and one that is not there."""
    folder = CocoFolder(tmp_path)
    for split in ('train', 'val'):
        content = folder.read(split)
        for image in content['images']:
            plain = folder.root / split / image['file_name']
            image['file_name'] = f'images/v1/patch{image["id"] % 2}/{plain.name}'
            patch = plain.parent / f'patch{image["id"] % 2}'
            patch.mkdir(exist_ok=True)
            plain.rename(patch / plain.name)
        for one in content['annotations']:
            del one['segmentation']
        if split == 'train':
            content['images'].append(dict(id=908726, file_name=NEVER_DISTRIBUTED, width=WIDTH, height=HEIGHT))
            content['annotations'].append(dict(content['annotations'][0], id=99, image_id=908726))
        folder.write(split, content)
    return folder


def config(folder):
    cfg = folder.config().to_dict()
    for loader in ('train', 'val', 'test'):
        dataset = cfg[f'{loader}_dataloader']['dataset']
        dataset = dataset.get('dataset', dataset)
        dataset.update(type='Objects365V2Dataset', pipeline=[dict(type='LoadAnnotations', with_bbox=True)])
    for evaluator in ('val_evaluator', 'test_evaluator'):
        cfg[evaluator]['metric'] = 'bbox'
    return Config(cfg)


def test_a_set_without_fault_passes(folder):
    report = check_config(config(folder))
    assert findings(report) == []
    train = ' '.join(str(report.sections[0]).split())
    assert 'images 5, annotations 13, categories 2' in train and 'headers read of 4 of 4 images' in train
    assert 'crowds apart: cat 4, dog 4; crowds: 4' in train
    check_data_files(config(folder), ('train', 'val'))


def test_it_looks_for_what_mmdet_reads(folder):
    part = read_parts(config(folder), Report())[0]
    part.dataset.full_init()
    theirs = {part.dataset.get_data_info(i)['img_path'] for i in range(len(part.dataset))}
    assert set(check_objects365(part, Section('train'), Reading()).files) == theirs and len(theirs) == 4


def test_faults_are_found(folder):
    (folder.root / 'train/patch1/1.png').unlink()
    content = folder.read('train')
    content['images'] += ['no image', dict(id=[7], file_name=8, width=1, height=1)]
    folder.write('train', content)
    errors = findings(check_config(config(folder)), 'error')
    assert any('images that are not in' in error and '1 (patch1/1.png)' in error for error in errors)
    assert any('entries of "images" without all keys' in error for error in errors)


def test_a_class_that_the_file_lacks_stops_a_training(folder):
    content = folder.read('train')
    content['categories'][0]['name'] = 'Cat'
    (folder.root / 'train.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match=r'1 \(cat\). The file has Cat, dog'):
        check_data_files(config(folder), ('train', ))
