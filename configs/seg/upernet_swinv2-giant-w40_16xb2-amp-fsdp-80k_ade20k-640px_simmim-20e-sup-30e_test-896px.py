"""Only a test: of weights from crops of 640 px, in crops of 896 px with windows of 56, in the last stage 28.

59.3 mIoU are published, and 59.9 with several scales. The position bias, a function of the offset, fits any window.
"""

_base_ = 'upernet_swinv2-giant-w40_16xb2-amp-fsdp-80k_ade20k-640px_simmim-20e-sup-30e.py'

model = dict(
    backbone=dict(img_size=896, window_size=(56, 56, 56, 28), init_cfg=None),
    test_cfg=dict(crop_size=(896, 896), stride=(597, 597)))

test_pipeline = _base_.test_pipeline
test_pipeline[1]['scale'] = (3584, 896)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1]['transforms'][0] = [
    dict(type='Resize', scale=(int(3584 * ratio), int(896 * ratio)), keep_ratio=True) for ratio in _base_.img_ratios
]

train_dataloader = train_cfg = optim_wrapper = param_scheduler = None
val_dataloader = val_cfg = val_evaluator = None
