"""From a classifier of Swin V2 to the same one at a larger image size: 30 epochs, 4e-5 for 1024 images.

Swin V2 paper, appendix A1.2 and A2.1, and swinv2_large_patch4_window12to24_192to384_22kto1k_ft.yaml: cosine, a weight
decay of 1e-8, no layer decay.
"""

_base_ = ['finetune_swinv2_100e.py']

optim_wrapper = dict(
    optimizer=dict(lr=2e-5 * 1024 / 512, weight_decay=1e-8), paramwise_cfg=dict(layer_decay_rate=1.0))
param_scheduler = dict(warmup=5, warmup_ratio=2e-8 / 2e-5, min_ratio=2e-7 / 2e-5)
train_cfg = dict(max_epochs=30)
auto_scale_lr = dict(base_batch_size=1024)
