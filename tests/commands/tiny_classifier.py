"""A classifier of ImageNet's 1000 classes small enough to test in a second, on images cropped from 36 to 32 pixels."""

default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmsimmim'], allow_failed_imports=False)

model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(num_classes=1000, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
    backbone=dict(
        type='mmsimmim.SwinTransformer',
        arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]),
        img_size=32,
        patch_size=2,
        window_size=4),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=64, loss=dict(type='CrossEntropyLoss')),
    train_cfg=dict(augments=dict(type='Mixup', alpha=0.8)))

test_pipeline = [dict(type='mmsimmim.LoadImage'), dict(type='CenterCrop', crop_size=32), dict(type='PackInputs')]
test_dataloader = dict(
    batch_size=50,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ImageNet', data_root='none', split='val', pipeline=test_pipeline))
test_cfg = dict()
test_evaluator = dict(type='Accuracy')
visualizer = dict(type='UniversalVisualizer', vis_backends=[])
