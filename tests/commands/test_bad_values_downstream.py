"""Bad values of --cfg-options for shipped configs of other families than Swin's pre-training, small ones of them.

Each is trained in a fork of this process, up to two steps and a validation: the parts of MMDetection, MMSegmentation
and MMCV take most values, and fail later.
"""

import pytest

from tests.attack.bad_values import Option
from tests.attack.outcomes import Outcome
from tests.attack.tiny_configs import write_config
from tests.attack.values import prepare, run_option

# By family: key, value, and what the sentence begins with (its key, unless there is one).
BAD = {
    'pre-training, ViT': [
        ('model.backbone.arch.num_layers', '0', ''),
        ('model.backbone.arch.embed_dims', '[8,8]', ''),
        ('model.backbone.arch.num_heads', '3', ''),
        ('model.backbone.patch_size', '0', ''),
        ('model.backbone.img_size', 'abc', ''),
        ('model.backbone.drop_path_rate', '2', ''),
        ('model.backbone.oops', '1', ''),
        ('model.neck.in_channels', '9', ''),
        ('model.head.patch_size', '3', 'model.head'),
        ('train_dataloader.collate_fn.mask.mask_ratio', '1.5', ''),
        ('auto_scale_lr', '[abc]', ''),
        ('default_scope', 'nowhere', ''),
        ('model_wrapper_cfg.type', 'NoWrapper', ''),
        ('custom_imports.imports', '[no_such_module]', 'custom_imports'),
    ],
    'Mask R-CNN': [
        ('model.type', 'NoDetector', ''),
        ('model.neck.num_outs', '-1', ''),
        ('model.neck.in_channels', '[8,16,32,63]', ''),
        ('model.rpn_head.anchor_generator.scales', 'abc', ''),
        ('model.rpn_head.loss_cls.type', 'NoLoss', ''),
        ('model.rpn_head.oops', '1', ''),
        ('model.roi_head.bbox_head.num_classes', 'abc', ''),
        ('model.roi_head.bbox_head.in_channels', '8', 'model.roi_head.bbox_head'),
        ('model.train_cfg.rcnn.sampler.type', 'NoSampler', ''),
        ('model.test_cfg.rcnn.mask_thr_binary', 'abc', ''),
        ('train_dataloader.dataset.pipeline.1.type', 'NoTransform', ''),
        ('train_dataloader.dataset.pipeline.2.with_bbox', 'maybe', ''),
        ('val_dataloader.dataset.indices', '0', 'val_dataloader.dataset'),
        ('val_evaluator', '5', ''),
        ('val_evaluator.metric', 'boxes', ''),
        ('model.data_preprocessor.mean.0', '1', '--cfg-options model.data_preprocessor.mean.0'),
    ],
    'UPerNet': [
        ('model.type', 'NoSegmentor', ''),
        ('model.decode_head.type', 'NoHead', ''),
        ('model.decode_head.num_classes', '0', 'The training data has 3 classes'),
        ('model.decode_head.in_channels', '[8,16,32,63]', ''),
        ('model.decode_head.align_corners', 'maybe', ''),
        ('model.decode_head.loss_decode.type', 'NoLoss', ''),
        ('model.decode_head.oops', '1', ''),
        ('model.auxiliary_head.in_index', '7', 'model.auxiliary_head.in_channels'),
        ('model.data_preprocessor.std', '[0,1,1]', ''),
        ('train_dataloader.dataset.reduce_zero_label', 'inf', ''),
        ('train_dataloader.dataset.pipeline.3.scale', '1e+30', 'train_dataloader.dataset.pipeline.3'),
        ('val_evaluator.iou_metrics', '[nothing]', 'val_evaluator'),
        ('param_scheduler.1.power', 'abc', ''),
        ('train_cfg.max_iters.oops', '1', '--cfg-options train_cfg.max_iters.oops'),
    ],
}
CASES = [(family, *case) for family, cases in BAD.items() for case in cases]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    prepare()
    return tmp_path_factory.mktemp('values')


@pytest.mark.parametrize('family', BAD)
def test_the_config_itself_trains(family, folder):
    assert run_option('train', write_config(family, folder), None, folder, f'{family}-itself')[0] is Outcome.FINE


@pytest.mark.parametrize('number', range(len(CASES)), ids=[f'{case[0]}: {case[1]}={case[2]}' for case in CASES])
def test_one_sentence(number, folder):
    family, key, text, begin = CASES[number]
    config = write_config(family, folder)
    outcome, message = run_option('train', config, Option(key, text, None, 'value'), folder, str(number))
    assert outcome is Outcome.CLEAR, message
    assert message.startswith(f'error: {begin or key}') and text.strip('[]').split(',')[-1][:3] in message
    assert 'Traceback' not in message and '\n' not in message and len(message) < 900
