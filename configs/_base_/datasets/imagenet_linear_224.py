"""ImageNet-1K with its labels at 224 px for a linear probe: random crops and flips, nothing else."""

_base_ = ['imagenet_cls_224.py']

train_pipeline = [*_base_.train_pipeline[:4], dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
