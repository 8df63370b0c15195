"""The first stage of Swin V2-G (Swin V2 paper, appendix A2.2) on one folder of your own, without labels.

The 70 million images of the paper are private. Published: length, batch, learning rate, warm-up of 30,000 steps,
weight decay, clipping and crops. Our choice, as nothing is published: drop path, masks and target of the other Swin V2.
For a run of fewer than 30,000 steps set `param_scheduler.warmup`.

All images in `data_root` and in the folders below it are used; one in a thousand is held out, chosen by its name.
"""

_base_ = [
    '../_base_/models/simmim_swinv2-giant-w12.py', '../_base_/datasets/imagenet_simmim_192.py',
    '../_base_/schedules/simmim_swinv2-giant_20e.py', '../_base_/default_runtime.py'
]

data_root = 'data/my_images'

train_dataloader = dict(batch_size=72, dataset=dict(data_root=data_root, split='train', val_ratio=0.001))
val_dataloader = dict(dataset=dict(data_root=data_root, split='val', val_ratio=0.001))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
