"""Own images and label maps: `data_root` with `images/train`, `images/val`, `labels/train`, `labels/val`.

An image and its label map have the same name but for the suffix. Augmented as ADE20K.
"""

_base_ = 'ade20k_512.py'

data_root = 'data/my_images'

# without an argument, LoadAnnotations does what reduce_zero_label of the data set says
train_pipeline = [
    dict(type='LoadAnnotations') if step['type'] == 'LoadAnnotations' else step for step in _base_.train_pipeline
]
test_pipeline = [
    dict(type='LoadAnnotations') if step['type'] == 'LoadAnnotations' else step for step in _base_.test_pipeline
]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
        pipeline=test_pipeline))
test_dataloader = val_dataloader
