"""From a config to what is checked: wrappers, heads, what cannot be checked."""

import re

import pytest
from mmengine.config import Config

from mmsimmim.datasets.checks import check_config
from mmsimmim.datasets.checks.part import unwrap
from mmsimmim.errors import UserError

from .synthetic import CocoFolder, PairFolder, findings


def test_wrappers_are_taken_off():
    inner = [dict(type='A', pipeline=[dict(type='Load')]), dict(type='B')]
    wrapped = dict(
        type='MultiImageMixDataset', pipeline=[dict(type='Mosaic'), dict(type='RandomApply', transforms=[
            dict(type='Flip')])],
        dataset=dict(type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=inner)))
    (one, transforms), (two, _) = unwrap(wrapped)
    assert one is inner[0] and two is inner[1]
    assert [transform['type'] for transform in transforms] == ['Mosaic', 'RandomApply', 'Flip', 'Load']
    assert list(unwrap({})) == []


def test_data_sets_that_are_joined_are_checked_apart(tmp_path):
    folder = PairFolder(tmp_path)
    cfg = folder.config()
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[
        cfg.train_dataloader.dataset, cfg.val_dataloader.dataset])
    report = check_config(cfg)
    assert [section.title for section in report.sections] == [
        'train', 'train', 'val and test', 'val and test against train', 'val and test against train']
    assert 'in both: 2 (' in findings(report, 'error')[0]


@pytest.mark.parametrize('folder, head, number', [
    (CocoFolder, 'model.roi_head.bbox_head', 2), (CocoFolder, 'model.roi_head.mask_head', 2),
    (PairFolder, 'model.decode_head', 3), (PairFolder, 'model.auxiliary_head.0', 3)])
def test_heads(tmp_path, folder, head, number):
    errors = findings(check_config(folder(tmp_path).config(**{f'{head}.num_classes': 80})), 'error')
    assert len(errors) == 2 and f'{head}.num_classes is 80. Set num_classes={number} there' in errors[0]


def test_other_classes_in_val(tmp_path):
    changes = {f'{split}_dataloader.dataset.metainfo': dict(classes=('ground', 'tree', 'car')) for split in
               ('val', 'test')}
    error, = findings(check_config(PairFolder(tmp_path).config(**changes)), 'error')
    assert 'its 3 classes (ground, tree, car) are others than the 3 of train (ground, car, tree)' in error


def test_what_cannot_be_checked_is_said(tmp_path):
    folder = CocoFolder(tmp_path)
    cfg = folder.config(**{'train_dataloader.dataset': dict(_delete_=True, type='VOCDataset', data_root=str(tmp_path))})
    assert findings(check_config(cfg), 'warning') == [
        'not checked: VOCDataset is neither in the format of COCO nor pairs of images and label maps.']
    for split in ('val', 'test'):
        cfg[f'{split}_dataloader'] = cfg.train_dataloader
    with pytest.raises(UserError, match='can be checked. The config: VOCDataset is neither'):
        check_config(cfg)
    cfg = folder.config(**{'train_dataloader.dataset.dataset.ann_file': 's3://bucket/train.json'})
    assert 's3://bucket/train.json is no local path' in findings(check_config(cfg), 'warning')[0]
    cfg = folder.config(**{'train_dataloader.dataset.dataset.backend_args': dict(backend='petrel')})
    assert 'not checked: petrel is no local disk' in findings(check_config(cfg), 'warning')[0]
    cfg = Config(dict(default_scope='mmpretrain', train_dataloader=dict(dataset=dict(
        type='mmsimmim.ImageFolder', data_root=str(tmp_path), pipeline=[]))))
    with pytest.raises(UserError, match='ImageFolder is neither'):
        check_config(cfg)
    with pytest.raises(UserError, match='there is none'):
        check_config(Config(dict(default_scope='mmdet')))
    with pytest.raises(UserError, match='sets no default_scope'):
        check_config(Config(dict(train_dataloader=cfg.train_dataloader)))


def test_data_sets_that_cannot_be_built(tmp_path):
    cfg = PairFolder(tmp_path).config(**{'train_dataloader.dataset.unknown': 1})
    error, = findings(check_config(cfg), 'error')
    assert 'train_dataloader.dataset, of type BaseSegDataset, cannot be built: TypeError' in error


@pytest.mark.parametrize('changes, message', [
    ({'train_dataloader.dataset.dataset.filter_cfg.min_size': 32}, 'no image is left for the training'),
    ({'train_cfg.max_epochs': 0}, 'train_cfg.max_epochs is 0'),
    ({'train_cfg.max_iters': 0}, 'train_cfg.max_iters is 0'),
    ({'train_dataloader.batch_size': 9, 'train_dataloader.drop_last': True}, 'the 8 images .* fewer than one batch'),
    ({'train_dataloader.batch_size': 8, 'train_dataloader.drop_last': True}, None),
    ({'train_dataloader.batch_size': 9, 'train_dataloader.drop_last': True,
      'train_dataloader.sampler.type': 'InfiniteSampler'}, None)])
def test_a_training_without_a_step(tmp_path, changes, message):
    pytest.importorskip('mmdet')
    errors = findings(check_config(CocoFolder(tmp_path).config(**changes)), 'error')
    assert re.search(message, ' '.join(errors)) if message else not errors


EMPTY = {'images': [], 'annotations': []}


@pytest.mark.parametrize('content, changes, message', [
    (EMPTY, {}, 'val.json lists no image'),
    (EMPTY, {'val_evaluator.format_only': True, 'test_evaluator.format_only': True}, 'val.json lists no image'),
    ({'annotations': []}, {}, 'no annotation of any class'),
    ({}, {f'{name}_dataloader.dataset.{key}': value for name in ('val', 'test')
          for key, value in (('test_mode', False), ('filter_cfg', dict(min_size=32)))},
     'no image is left for the evaluation'),
    ({}, {'val_dataloader.dataset.indices': 0}, 'indices=0 leaves no image'),
    ({}, {'val_dataloader.batch_size': 3, 'val_dataloader.drop_last': True},
     'val_dataloader: its 2 images are fewer than one batch'),
    ({}, {'val_dataloader.batch_size': 2, 'val_dataloader.drop_last': True}, None)])
def test_an_evaluation_without_anything_to_score(tmp_path, content, changes, message):
    pytest.importorskip('mmdet')
    folder = CocoFolder(tmp_path)
    folder.write('val', folder.read('val') | content)
    errors = findings(check_config(folder.config(**changes)), 'error')
    assert re.search(message, ' '.join(errors)) if message else not errors


def test_a_list_that_names_no_image(tmp_path):
    pytest.importorskip('mmseg')
    folder = PairFolder(tmp_path)
    (tmp_path / 'list.txt').touch()
    errors = findings(check_config(folder.config(**{'val_dataloader.dataset.ann_file': 'list.txt'})), 'error')
    assert len(errors) == 1 and 'list.txt is empty' in errors[0]
