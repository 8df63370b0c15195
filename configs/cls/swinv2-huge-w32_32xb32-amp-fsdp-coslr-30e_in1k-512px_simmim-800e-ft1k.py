"""Swin V2-H at 512 px, published with 87.1 % and no recipe: 30 epochs more of the classifier fine-tuned at 224 px.

Our choice is how the authors of Swin V2 go from one image size to a larger one (appendix A1.2 of their paper): start
from all weights, the classifier included, and keep augmentation and drop path. 100 epochs at 512 px from the
pre-trained encoder would take more than twice as long as both runs together.

The windows of `pretrained_window_sizes` remain those of pre-training, as fine-tuning at 224 px kept them, too: they
are the unit in which the position bias has learned its offsets.
"""

_base_ = [
    '../_base_/models/swinv2-huge-w14_cls.py', '../_base_/datasets/imagenet_cls_512.py',
    '../_base_/schedules/finetune_swinv2-larger_30e.py', '../_base_/cls_runtime.py'
]

load_from = 'work_dirs/swinv2-huge-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-800e/epoch_100.pth'
model = dict(backbone=dict(img_size=512, window_size=32), head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(batch_size=32)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
