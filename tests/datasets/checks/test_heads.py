"""The same heads are found in a config and in the model that is built from it."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import get_installed_path

from mmsimmim.datasets.checks.heads import describe_heads, find_heads
from mmsimmim.registry import MODELS

STAGES = [f'roi_head.bbox_head.{i}' for i in range(3)]
MASKS = [f'roi_head.mask_head.{i}' for i in range(3)]  # from one config


@pytest.mark.parametrize('scope, config, number, heads, built', [
    ('mmdet', 'cascade-mask-rcnn_r50_fpn.py', 80, [*STAGES, 'roi_head.mask_head'], [*STAGES, *MASKS]),
    ('mmdet', 'retinanet_r50_fpn.py', 80, ['bbox_head'], ['bbox_head']),
    ('mmdet', 'rpn_r50_fpn.py', 0, [], []),
    ('mmseg', 'pspnet_r50-d8.py', 19, ['decode_head', 'auxiliary_head'], ['decode_head', 'auxiliary_head']),
    ('mmseg', 'pointrend_r50.py', 19, ['decode_head.0', 'decode_head.1'], ['decode_head.0', 'decode_head.1']),
    ('mmseg', 'stdc.py', 19, ['decode_head', 'auxiliary_head.0', 'auxiliary_head.1'],
     ['decode_head', 'auxiliary_head.0', 'auxiliary_head.1'])])
def test_heads_of_configs_and_models(scope, config, number, heads, built):
    cfg = Config.fromfile(Path(get_installed_path(scope)) / '.mim' / 'configs' / '_base_' / 'models' / config).model
    assert find_heads(cfg) == {f'model.{head}.num_classes': number for head in heads}
    init_default_scope(scope)
    cfg.backbone.pop('init_cfg', None)
    cfg.pop('pretrained', None)
    if scope == 'mmseg':
        cfg.data_preprocessor.size = (64, 64)
    assert find_heads(MODELS.build(cfg)) == {f'model.{head}.num_classes': number for head in built}


def test_heads_that_do_not_count_classes():
    model = dict(
        roi_head=dict(mask_head=dict(num_classes=80, class_agnostic=True), semantic_head=dict(num_classes=183)),
        rpn_head=dict(num_classes=1), backbone=dict(num_classes=1000))
    assert find_heads(model) == {}


@pytest.mark.parametrize('number', [1, 2])
def test_one_output_channel_tells_two_classes_apart(number):
    heads = find_heads(dict(decode_head=dict(num_classes=number, out_channels=1, channels=8)))
    assert heads == {'model.decode_head.num_classes (with out_channels=1)': 2}
    assert describe_heads(heads, ['ground', 'car'], 'train') == ''
    assert '(with out_channels=1) is 2. Set num_classes=3' in describe_heads(heads, ['ground', 'car', 'tree'], 'train')
