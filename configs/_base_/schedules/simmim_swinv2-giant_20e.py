"""The 20 epochs of Swin V2-G (Swin V2 paper, appendix A2.2): cosine from 1.4e-3 for 9216 images.

The warm-up of 30,000 steps, also published, wants a long run: 20 epochs of 70 million images are 152,000 steps. The
first and the last rate are not published: these are the fractions of the full one in the official pre-training of Swin
V2-B and L on ImageNet-22K, as is the cosine that begins when the warm-up ends.
"""

_base_ = ['simmim_adamw.py']

optim_wrapper = dict(optimizer=dict(lr=1.4e-3, weight_decay=0.1), clip_grad=dict(max_norm=100.0))
param_scheduler = dict(
    type='mmsimmim.WarmupCosineLR',
    warmup=30_000,
    warmup_ratio=1.25e-7 / 1.25e-4,
    min_ratio=1.25e-6 / 1.25e-4,
    warmup_prefix=True,
    by_epoch=False)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
auto_scale_lr = dict(base_batch_size=9216)
