"""How a test set takes the place of a config's own data."""

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS, init_default_scope

from mmsimmim.commands.common.test_sets import shipped_test_sets, use_test_sets
from mmsimmim.errors import UserError
from tests.commands.conftest import REPO

CLS = REPO / 'configs' / 'cls'


def test_all_shipped_sets_can_be_built_and_have_results_under_their_name():
    init_default_scope('mmpretrain')
    assert len(shipped_test_sets()) == 6
    for name in shipped_test_sets():
        cfg = Config.fromfile(REPO / 'configs' / '_base_' / 'test_sets' / f'{name}.py')
        DATASETS.build(dict(cfg.test_dataloader.dataset, pipeline=[], lazy_init=True))
        assert METRICS.build(cfg.test_evaluator).prefix == name


@pytest.mark.parametrize('config, size, crop', [
    ('swin-base-w6_16xb128-amp-coslr-100e_in1k-192px_simmim-100e.py', 219, 192),
    ('swin-base-w7_1xb64-amp-coslr-100e_folder-224px_simmim-800e.py', 256, 224)])
def test_size_and_loader_are_those_of_the_model(config, size, crop):
    cfg = Config.fromfile(CLS / config)
    loader = cfg.test_dataloader.to_dict()
    use_test_sets(cfg, ['imagenet_a', 'imagenet_r=/data/r'], {'test_dataloader.num_workers': 2})
    other = cfg.test_cfg.others[0]
    for found, folder in (cfg.test_dataloader, 'data/imagenet-a'), (other.dataloader, '/data/r'):
        assert [step.get('scale', step.get('crop_size')) for step in found.dataset.pipeline[1:3]] == [size, crop]
        assert found.dataset.pipeline == loader['dataset']['pipeline'] and found.dataset.data_root == folder
        assert set(found.dataset) == {'type', 'data_root', 'num_classes', 'num_images', 'pipeline'}
        assert found.num_workers == 2 and not found.persistent_workers
        assert all(found[name] == loader[name] for name in ('batch_size', 'sampler', 'collate_fn', 'pin_memory'))
    assert cfg.test_cfg.type == 'mmsimmim.MultiSetTestLoop'
    assert cfg.test_evaluator.prefix == 'imagenet_a' and other.evaluator.prefix == 'imagenet_r'


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / 'mine.py').write_text(
        "data_root = 'data/mine'\n"
        "test_dataloader = dict(batch_size=1, dataset=dict(type='X', data_root=data_root, pipeline=[]))\n"
        "test_evaluator = dict(type='Accuracy')\n")
    cfg = Config(dict(test_dataloader=dict(
        batch_size=8, num_workers=1, dataset=dict(type='RepeatDataset', dataset=dict(type='Y', pipeline=[1])))))
    use_test_sets(cfg, [f'{tmp_path}/mine.py=/data'], {})
    assert cfg.test_dataloader.to_dict() == dict(
        batch_size=1, num_workers=1, persistent_workers=False, dataset=dict(type='X', data_root='/data', pipeline=[]))
    assert 'test_cfg' not in cfg


def test_the_pipeline_is_that_of_the_innermost_dataset():
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='Y', dataset=dict(pipeline=[1])))))
    use_test_sets(cfg, ['imagenet_v2'], {})
    assert cfg.test_dataloader.dataset.pipeline == [1]
    cfg = Config(dict(test_dataloader=dict(dataset=dict(type='Y'))))
    with pytest.raises(UserError, match='has no pipeline'):
        use_test_sets(cfg, ['imagenet_v2'], {})
