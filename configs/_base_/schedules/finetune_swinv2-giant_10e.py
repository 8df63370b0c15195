"""Fine-tuning of Swin V2-G on ImageNet-1K (Swin V2 paper, appendix A2.2): 10 epochs, 2.1e-5 for 576 images.

No layer decay is published for it, so all layers learn alike. The first and the last rate are our choice: the
fractions of the full one in the official fine-tuning of Swin V2-B and L after ImageNet-22K.
"""

_base_ = ['finetune_swinv2_100e.py']

optim_wrapper = dict(
    optimizer=dict(lr=2.1e-5, weight_decay=0.1),
    clip_grad=dict(max_norm=100.0),
    paramwise_cfg=dict(layer_decay_rate=1.0))
param_scheduler = dict(warmup=2, warmup_ratio=2e-8 / 2e-5, min_ratio=2e-7 / 2e-5)
train_cfg = dict(max_epochs=10)
auto_scale_lr = dict(base_batch_size=576)
