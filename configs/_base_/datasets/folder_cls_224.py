"""Your own images at 224 px: `data_root` with `train/` and `val/`, and in each a folder per class.

Augmented as ImageNet-1K. Files that cannot be read are named in the log and left out.
"""

_base_ = ['imagenet_cls_224.py']

data_root = 'data/my_images'

train_dataloader = dict(
    drop_last=False,
    dataset=dict(
        _delete_=True,
        type='mmsimmim.LabelledImageFolder',
        data_root=data_root,
        data_prefix='train',
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmsimmim.LabelledImageFolder',
        data_root=data_root,
        data_prefix='val',
        pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(_delete_=True, type='Accuracy')
test_evaluator = val_evaluator
