"""What a training would tell late: files and classes that are not there."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

from mmsimmim.commands.checks.data_files import check_data_files
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.datasets.packed.packing import pack
from mmsimmim.errors import UserError

ROOT = Path(__file__).parents[3]
NUCLEI = str(ROOT / 'demo' / 'data' / 'nuclei')
DETECTOR = 'det/mask-rcnn_swin-tiny-w7-fpn_1xb2-amp-ms-crop-3x_custom_simmim-100e.py'
SEGMENTOR = 'seg/upernet_swin-tiny-w7_1xb4-amp-40k_folder-512px_simmim-100e.py'
PNG = dict(train_images='train', val_images='val', img_suffix='.png', classes=['background', 'nucleus'])


@pytest.fixture(autouse=True)
def no_scope_stays():
    init_default_scope('mmengine')
    yield
    DefaultScope._instance_dict.clear()


def read(name, **options):
    return read_with_options(str(ROOT / 'configs' / name), dict(data_root=NUCLEI) | options)[0]


@pytest.mark.parametrize('name, options', [(DETECTOR, dict(classes=['nucleus'])), (SEGMENTOR, PNG)])
def test_what_is_there_passes(name, options):
    cfg = read(name, **options)
    for names in (['train', 'val'], ['test']):
        check_data_files(cfg, names)


@pytest.mark.parametrize('name, options, message', [
    (DETECTOR, dict(data_root='nowhere'), r'train_dataloader\.dataset\.ann_file: nowhere/instances_train\.json'),
    (DETECTOR, dict(classes=['nucleus'], train_images='images'), r'dataset\.data_prefix\.img: images does not'),
    (DETECTOR, dict(classes=['nucleus', 'cell']), r'train data: .*\(cell\).* The file has nucleus'),
    (SEGMENTOR, dict(PNG, train_labels='masks'), r'dataset\.data_prefix\.seg_map_path: .*/masks does not exist')])
def test_what_is_missing_is_named_with_its_key(name, options, message):
    with pytest.raises(UserError, match=message):
        check_data_files(read(name, **options), ['train', 'val'])


def test_only_what_will_be_used_has_to_be_there():
    cfg = read(DETECTOR, classes=['nucleus'], train_ann_file='gone.json')
    check_data_files(cfg, ['test'])
    cfg.test_dataloader.dataset.ann_file = cfg.val_dataloader.dataset.ann_file = 'gone.json'
    with pytest.raises(UserError, match='gone.json'):
        check_data_files(cfg, ['test'])


def test_the_file_of_the_evaluator_counts_too(tmp_path):
    cfg = read(DETECTOR, classes=['nucleus'])
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = str(tmp_path / 'gone.json')
    with pytest.raises(UserError, match=r'evaluator\.ann_file: .*gone\.json'):
        check_data_files(cfg, ['val'])


def test_pre_training_and_other_frameworks_are_left_alone(tmp_path):
    (tmp_path / 'x.json').write_text(json.dumps({}))
    check_data_files(Config(dict(default_scope='mmpretrain', train_dataloader=dict(dataset=dict(ann_file='x')))),
                     ['train'])


def packed_config(path):
    dataset = dict(type='RepeatDataset', times=2, dataset=dict(type='mmsimmim.PackedImageFolder', data_root=path))
    return Config(dict(default_scope='mmpretrain', train_dataloader=dict(dataset=dataset)))


def test_packed_images_have_to_be_whole(tmp_path):
    pytest.importorskip('lmdb')
    cfg = packed_config(str(tmp_path / 'train.lmdb'))
    for names in (['train'], ['train', 'val']):
        with pytest.raises(UserError, match=r'train_dataloader\.dataset\.data_root: .*train\.lmdb. does not exist'):
            check_data_files(cfg, names)
    check_data_files(cfg, ['val', 'test'])
    pack(str(Path(NUCLEI) / 'val'), str(tmp_path / 'train.lmdb'))
    check_data_files(cfg, ['train'])
    content = (tmp_path / 'train.lmdb').read_bytes()
    (tmp_path / 'cut.lmdb').write_bytes(content[:-5000])
    with pytest.raises(UserError, match='train_dataloader.*is cut off'):
        check_data_files(packed_config(str(tmp_path / 'cut.lmdb')), ['train'])
