"""Memory of training steps of tiny models of the three frameworks."""

from contextlib import nullcontext

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.analysis.memory import step_memory
from mmsimmim.analysis.memory.step_memory import Step, autocast, counting, measure_activations
from mmsimmim.analysis.memory.synthetic_batch import set_synthetic_proposals, synthetic_batch
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.commands.conftest import CONFIG

SWIN = """
arch = dict(embed_dims=8, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2])
swin = dict(
    _delete_=True, type='mmsimmim.SwinTransformer', arch=arch,
    window_size=4, out_indices=(0, 1, 2, 3))
channels = [8, 16, 32, 64]
optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=dict(type='AdamW', lr=1e-4))
"""
MASK_RCNN = SWIN + """
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
default_scope = 'mmdet'
model = dict(
    backbone=swin, neck=dict(in_channels=channels, out_channels=16), rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16), mask_roi_extractor=dict(out_channels=16),
        bbox_head=dict(in_channels=16, fc_out_channels=64, num_classes=3),
        mask_head=dict(in_channels=16, conv_out_channels=16, num_classes=3)),
    train_cfg=dict(rpn_proposal=dict(max_per_img=200), rcnn=dict(sampler=dict(num=64))))
"""
RETINANET = SWIN + """
_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'
default_scope = 'mmdet'
model = dict(
    backbone=swin, neck=dict(in_channels=channels, out_channels=16),
    bbox_head=dict(in_channels=16, feat_channels=16, num_classes=3))
"""
UPERNET = SWIN + """
_base_ = 'mmseg::_base_/models/upernet_swin.py'
default_scope = 'mmseg'
model = dict(
    data_preprocessor=dict(size=(64, 64)), backbone=swin,
    decode_head=dict(in_channels=channels, channels=16, num_classes=5),
    auxiliary_head=dict(in_channels=32, channels=16, num_classes=5))
"""
CLASSIFIER = SWIN.replace('_delete_=True, ', '') + """
default_scope = 'mmpretrain'
data_preprocessor = dict(num_classes=4)
model = dict(
    type='ImageClassifier', backbone=dict(swin, out_indices=(3, )), neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', in_channels=64, num_classes=4, loss=dict(type='CrossEntropyLoss', use_soft=True)),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8)]))
"""
SEQUENTIAL = CLASSIFIER.replace('out_indices=(3, )', 'out_indices=(3, ), sequential_stages=(0, 2), with_cp=True')
HTC = SWIN + """
_base_ = 'mmdet::htc/htc_r50_fpn_1x_coco.py'
rpn = dict(in_channels=16, feat_channels=16)
bbox_head = dict(in_channels=16, fc_out_channels=64, num_classes=3)
mask_head = dict(in_channels=16, conv_out_channels=16, num_classes=3)
model = dict(
    backbone=swin, neck=dict(in_channels=channels, out_channels=16), rpn_head=rpn,
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16), mask_roi_extractor=dict(out_channels=16),
        semantic_roi_extractor=dict(out_channels=16),
        semantic_head=dict(in_channels=16, conv_out_channels=16, num_classes=5),
        bbox_head=[dict(head, **bbox_head) for head in _base_.model.roi_head.bbox_head],
        mask_head=[dict(head, **mask_head) for head in _base_.model.roi_head.mask_head]),
    train_cfg=dict(
        rpn_proposal=dict(max_per_img=200),
        rcnn=[dict(stage, sampler=dict(stage.sampler, num=64)) for stage in _base_.model.train_cfg.rcnn]))
"""
TEXTS = dict(mask_rcnn=MASK_RCNN, retinanet=RETINANET, htc=HTC, upernet=UPERNET, classifier=CLASSIFIER,
             sequential=SEQUENTIAL, simmim='')


@pytest.fixture(autouse=True)
def no_scope_stays():
    torch.manual_seed(0)
    yield
    DefaultScope._instance_dict.clear()


def load(name):
    for package in ('mmdet', 'mmseg'):
        if package in TEXTS[name]:
            pytest.importorskip(package)
    return Config.fromfile(CONFIG) if name == 'simmim' else Config.fromstring(TEXTS[name], '.py')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=pytest.mark.slow if name == 'htc' else ()) for name in TEXTS])
def test_without_values_as_with_them(name, monkeypatch):
    """A step that is only gone through takes as much as the real one."""
    found = []
    for real in (False, True):
        if real:
            monkeypatch.setattr(step_memory, 'FakeTensors', lambda sources: nullcontext())
        torch.manual_seed(0)
        found.append(measure_activations(load(name), Step((64, 96), 2), 'cpu'))
    # positive anchors are few, and how many of them are drawn is a matter of chance
    assert found[0] == pytest.approx(found[1], rel=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mask_rcnn', 'simmim'])
def test_linear_in_images(name):
    """Beside the copies of the weights each image takes as much as any other."""
    two, three, four = (measure_activations(load(name), Step((64, 64), number), 'cpu') for number in (2, 3, 4))
    assert two < three < four
    assert four - three == pytest.approx(three - two, rel=0.05)  # anchors on objects are drawn


def test_recomputation_saves():
    cfg = load('upernet')
    cfg.model.backbone.arch.depths = [8, 1, 1, 1]
    kept = measure_activations(cfg, Step((128, 128), 2), 'cpu')
    cfg.model.backbone.with_cp = True
    assert measure_activations(cfg, Step((128, 128), 2), 'cpu') < 0.9 * kept


def test_half_precision_saves():
    cfg = load('classifier')
    half = measure_activations(cfg, Step((128, 128), 8), 'cpu')
    cfg.optim_wrapper = dict(type='OptimWrapper')
    assert half < 0.8 * measure_activations(cfg, Step((128, 128), 8), 'cpu')


@pytest.mark.parametrize('wrapper, dtype', [
    (None, None), (dict(type='OptimWrapper'), None), (dict(type='AmpOptimWrapper', dtype='bfloat16'), torch.bfloat16),
    (dict(type='AmpOptimWrapper'), torch.bfloat16), (dict(type='AmpOptimWrapper', dtype='float16'), torch.bfloat16)])
def test_precision(wrapper, dtype):
    with autocast(Config(dict(optim_wrapper=wrapper)), 'cpu'):
        assert torch.is_autocast_enabled('cpu') is (dtype is not None)
        assert dtype is None or torch.get_autocast_dtype('cpu') == dtype


def test_memory_of_cuda(monkeypatch):
    """What PyTorch's allocator had at most, beside what was there before; without a GPU, by a stand-in for it."""
    allocator = dict(now=700, most=5000)
    monkeypatch.setattr(torch.cuda, 'memory_allocated', lambda: allocator['now'])
    monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda: allocator['most'])
    monkeypatch.setattr(torch.cuda, 'reset_peak_memory_stats', lambda: allocator.update(most=allocator['now']))
    with counting(None, 'cuda') as memory:
        allocator.update(most=1800)
    assert memory.peak == 1100


def test_proposals():
    """A quarter of the regions that a step looks at are objects, as many as there may be; masks are made of those."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmdet')
    model = MODELS.build(load('mask_rcnn').model).train()
    batch = synthetic_batch(model, 'mmdet', (128, 160), 2)
    set_synthetic_proposals(model, batch)
    seen = {}
    model.roi_head.mask_head.register_forward_hook(lambda module, args, out: seen.update(masks=len(out)))
    model.roi_head.bbox_head.register_forward_hook(lambda module, args, out: seen.update(boxes=len(out[0])))
    data = model.data_preprocessor(batch, True)
    losses = model(**data, mode='loss')
    assert seen == dict(masks=2 * 16, boxes=2 * 64)
    assert all(value.isfinite().all() for values in losses.values() for value in
               (values if isinstance(values, list) else [values]))


def test_unknown_framework():
    with pytest.raises(UserError, match="'mmpose' is none of mmdet, mmseg, mmpretrain"):
        synthetic_batch(None, 'mmpose', (64, 64), 1)
