"""The second, supervised stage of Swin V2-G, on images of your own: those of the paper (70 million) are private.

Set `data_root` (in it train/ and val/, in each of those a folder per class) and `num_classes`, by default that of
ImageNet-22K. Published (Swin V2 paper, appendix A2.2): length, batch, learning rate, warm-up of 20,000 steps, layer
decay, weight decay, clipping, drop path, RandAugment and random erasing (their strengths are those of other configs).
For a run of fewer than 20,000 steps set `param_scheduler.warmup`.
"""

_base_ = [
    '../_base_/models/swinv2-giant-w12_cls.py', '../_base_/datasets/folder_cls_192.py',
    '../_base_/schedules/finetune_swinv2-giant_30e.py', '../_base_/cls_runtime.py'
]

data_root = 'data/my_images'
num_classes = 21_841

train_dataloader = dict(batch_size=72, drop_last=True, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
data_preprocessor = dict(num_classes=num_classes)
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/simmim_swinv2-giant-w12_128xb72-amp-fsdp-coslr-20e_folder-192px/epoch_20.pth')),
    head=dict(num_classes=num_classes))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
