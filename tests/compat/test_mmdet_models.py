"""mmdet's detectors train and predict on what stands in for mmcv's compiled operators."""

import numpy as np
import pytest
import torch

import mmsimmim  # noqa: F401
from mmsimmim.compat.versions import installed_version

if installed_version('mmdet') is None:
    pytest.skip('mmdet is not installed', allow_module_level=True)

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.mask import BitmapMasks  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

BACKBONE = dict(type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), norm_cfg=dict(type='BN'))
FPN = dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=32, num_outs=5)
FPN_FROM_8 = {**FPN, 'start_level': 1, 'add_extra_convs': 'on_output'}
PREPROCESSOR = dict(type='DetDataPreprocessor', pad_mask=True, pad_size_divisor=32)
DELTAS = dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4)
CROSS_ENTROPY = dict(type='CrossEntropyLoss', use_sigmoid=True)
FOCAL = dict(type='FocalLoss', use_sigmoid=True)
TEST_CFG = dict(nms_pre=100, min_bbox_size=0, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20)
ROI_ALIGN = dict(type='RoIAlign', sampling_ratio=0)


def dense(type, head, train_cfg=None):
    head = dict(num_classes=3, in_channels=32, stacked_convs=1, feat_channels=32, **head)
    return dict(type=type, backbone=BACKBONE, neck=FPN_FROM_8, bbox_head=head, train_cfg=train_cfg, test_cfg=TEST_CFG)


def anchors(**kwargs):
    return dict(type='AnchorGenerator', ratios=[1.0], strides=[8, 16, 32, 64, 128], **kwargs)


def extractor(size):
    layer = {**ROI_ALIGN, 'output_size': size}
    return dict(type='SingleRoIExtractor', roi_layer=layer, out_channels=32, featmap_strides=[4, 8, 16, 32])


def assigner(positive, negative):
    return dict(type='MaxIoUAssigner', pos_iou_thr=positive, neg_iou_thr=negative, min_pos_iou=negative)


def sampler(number):
    return dict(type='RandomSampler', num=number, pos_fraction=0.5, add_gt_as_proposals=True)


MASK_RCNN = dict(
    type='MaskRCNN',
    backbone=BACKBONE,
    neck=FPN,
    rpn_head=dict(
        type='RPNHead',
        in_channels=32,
        feat_channels=32,
        anchor_generator=dict(type='AnchorGenerator', scales=[8], ratios=[1.0], strides=[4, 8, 16, 32, 64]),
        bbox_coder=DELTAS,
        loss_cls=CROSS_ENTROPY,
        loss_bbox=dict(type='L1Loss'),
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=extractor(7),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=32,
            fc_out_channels=32,
            roi_feat_size=7,
            num_classes=3,
            bbox_coder=DELTAS,
            reg_class_agnostic=False,
            loss_cls=dict(type='CrossEntropyLoss'),
            loss_bbox=dict(type='L1Loss'),
        ),
        mask_roi_extractor=extractor(14),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=1,
            in_channels=32,
            conv_out_channels=32,
            num_classes=3,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True),
        ),
    ),
    train_cfg=dict(
        rpn=dict(assigner=assigner(0.7, 0.3), sampler=sampler(32), allowed_border=-1, pos_weight=-1),
        rpn_proposal=dict(nms_pre=200, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(assigner=assigner(0.5, 0.5), sampler=sampler(32), mask_size=28, pos_weight=-1),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=200, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20, mask_thr_binary=0.5),
    ),
)
DETECTORS = dict(
    mask_rcnn=MASK_RCNN,
    soft_nms={
        **MASK_RCNN,
        'test_cfg': dict(
            rpn=MASK_RCNN['test_cfg']['rpn'],
            rcnn=dict(
                score_thr=0.0, nms=dict(type='soft_nms', iou_threshold=0.5), max_per_img=20, mask_thr_binary=0.5
            ),
        ),
    },
    fcos=dense('FCOS', dict(type='FCOSHead', loss_cls=FOCAL, norm_cfg=None)),
    retinanet=dense(
        'RetinaNet',
        dict(
            type='RetinaHead',
            anchor_generator=anchors(octave_base_scale=4, scales_per_octave=1),
            bbox_coder=DELTAS,
            loss_cls=FOCAL,
            loss_bbox=dict(type='L1Loss'),
        ),
        dict(assigner=dict(**assigner(0.5, 0.4), ignore_iof_thr=-1), allowed_border=-1, pos_weight=-1,
             sampler=dict(type='PseudoSampler')),
    ),
    atss=dense(
        'ATSS',
        dict(
            type='ATSSHead',
            anchor_generator=anchors(octave_base_scale=8, scales_per_octave=1),
            bbox_coder=DELTAS,
            loss_cls=FOCAL,
            loss_bbox=dict(type='GIoULoss'),
            loss_centerness=CROSS_ENTROPY,
            norm_cfg=dict(type='GN', num_groups=8),
        ),
        dict(assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1),
    ),
)


def batch(device):
    """Two images with a bright rectangle each."""
    inputs, samples = [], []
    for index, box in enumerate([[20, 30, 70, 90], [40, 10, 110, 60]]):
        image = torch.zeros(3, 128, 128, dtype=torch.uint8)
        image[:, box[1] : box[3], box[0] : box[2]] = 200
        masks = np.zeros((1, 128, 128), np.uint8)
        masks[0, box[1] : box[3], box[0] : box[2]] = 1
        instances = InstanceData(
            bboxes=torch.tensor([box], dtype=torch.float32),
            labels=torch.tensor([index]),
            masks=BitmapMasks(masks, 128, 128),
        )
        sample = DetDataSample(
            metainfo=dict(img_shape=(128, 128), ori_shape=(128, 128), scale_factor=(1.0, 1.0), img_id=index)
        )
        sample.gt_instances, sample.ignored_instances = instances, InstanceData(bboxes=torch.zeros(0, 4))
        inputs.append(image.to(device))
        samples.append(sample.to(device))
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.slow
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize(
    'name, dtype',
    [(name, torch.float32) for name in DETECTORS] + [(name, torch.bfloat16) for name in ('mask_rcnn', 'retinanet')],
)
def test_detector_trains_a_step_and_predicts(name, dtype, device):
    if device == 'cuda' and not torch.cuda.is_available():
        pytest.skip('needs a GPU')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(ConfigDict(**DETECTORS[name], data_preprocessor=PREPROCESSOR)).to(device)
        model.init_weights()
    model.train()
    with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
        losses = model(**model.data_preprocessor(batch(device), True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)
    gradients = [parameter.grad for parameter in model.backbone.layer4.parameters()]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)

    model.eval()
    with torch.no_grad(), torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
        predictions = model(**model.data_preprocessor(batch(device), False), mode='predict')
    for sample in predictions:
        assert len(sample.pred_instances) > 0
        assert torch.isfinite(sample.pred_instances.bboxes).all()


def test_bfloat16_features_leave_the_coordinates_of_rois_exact():
    layer = SingleRoIExtractor(dict(type='RoIAlign', output_size=4, sampling_ratio=2), 2, [4])
    ramp = torch.arange(256.0).repeat(1, 2, 256, 1)  # a feature that is its own x coordinate
    rois = torch.tensor([[0.0, 601.0, 601.0, 633.0, 633.0]])
    centres = (601 + 4 + 8 * torch.arange(4.0)) / 4 - 0.5
    result = layer((ramp.bfloat16(),), rois)
    assert result.dtype == torch.bfloat16
    assert rois.dtype == torch.float32
    # 601 would become 600 in bfloat16: a quarter of a pixel of this map; the values are exact to half a pixel.
    torch.testing.assert_close(result[0, 0, 0].float(), centres, rtol=0, atol=0.51)
    in_float = layer((ramp,), rois)
    torch.testing.assert_close(in_float[0, 0, 0], centres, rtol=0, atol=1e-4)
    assert torch.equal(result, in_float.bfloat16())


def test_float16_and_float32_features_are_left_to_mmdet():
    layer = SingleRoIExtractor(dict(type='RoIAlign', output_size=4, sampling_ratio=2), 2, [4])
    for dtype in (torch.float16, torch.float32):
        assert layer((torch.ones(1, 2, 16, 16, dtype=dtype),), torch.tensor([[0.0, 0, 0, 32, 32]])).dtype == dtype


def test_dyhead_trains_with_offsets_of_a_larger_map():
    with DefaultScope.overwrite_default_scope('mmdet'):
        neck = MODELS.build(dict(type='DyHead', in_channels=16, out_channels=16, num_blocks=1))
    maps = [torch.randn(2, 16, side, side, generator=torch.Generator().manual_seed(side)) for side in (12, 6, 3)]
    outputs = neck(maps)
    sum(output.square().sum() for output in outputs).backward()
    assert [output.shape for output in outputs] == [level.shape for level in maps]
    gradient = neck.dyhead_blocks[0].spatial_conv_offset.weight.grad
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
