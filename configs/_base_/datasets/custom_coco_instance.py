"""Own images with boxes and masks in COCO's format: `data_root` with an annotation file and a folder for each side.

Augmented as COCO, at short sides of 480 to 800 px. What is evaluated comes from the data set, so that no evaluator has
to know the path; small, medium and large are then told by the area of the box.
"""

_base_ = 'coco_ms-crop.py'

data_root = 'data/my_images'

test_pipeline = [
    *_base_.test_pipeline[:-1],
    dict(type='PackDetInputs', meta_keys=(*_base_.test_pipeline[-1].meta_keys, 'instances'))
]
train_dataloader = dict(
    dataset=dict(data_root=data_root, ann_file='instances_train.json', data_prefix=dict(img='train/')))
val_dataloader = dict(
    dataset=dict(
        data_root=data_root, ann_file='instances_val.json', data_prefix=dict(img='val/'), pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(ann_file=None)
test_evaluator = val_evaluator
