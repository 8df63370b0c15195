"""Your own images and label maps, augmented as ADE20K. Folders and classes are set in the configs."""

_base_ = 'ade20k_512.py'

# without an argument, LoadAnnotations does what reduce_zero_label of the dataset says
train_pipeline = [
    dict(type='LoadAnnotations') if step['type'] == 'LoadAnnotations' else step for step in _base_.train_pipeline
]
test_pipeline = [
    dict(type='LoadAnnotations') if step['type'] == 'LoadAnnotations' else step for step in _base_.test_pipeline
]

train_dataloader = dict(dataset=dict(_delete_=True, type='BaseSegDataset', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(_delete_=True, type='BaseSegDataset', pipeline=test_pipeline))
test_dataloader = val_dataloader
