_base_ = [
    '../_base_/models/simmim_vit-base-p16.py', '../_base_/datasets/imagenet_simmim_224.py',
    '../_base_/schedules/simmim_800e.py', '../_base_/default_runtime.py'
]

# Official: of what is not flat only the class token is exempt. Mask token and table of positions do decay.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(_delete_=True, cls_token=dict(decay_mult=0.0))))
