"""iNaturalist-2018 at 224 px, as it is distributed: `train2018.json`, `val2018.json` and `train_val2018/`.

Augmented as ImageNet-1K.
"""

_base_ = ['imagenet_cls_224.py']

data_root = 'data/inaturalist2018'
num_classes = 8142

data_preprocessor = dict(num_classes=num_classes)

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmsimmim.INaturalist',
        data_root=data_root,
        ann_file='train2018.json',
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmsimmim.INaturalist',
        data_root=data_root,
        ann_file='val2018.json',
        pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
