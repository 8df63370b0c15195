_base_ = [
    '../_base_/models/simmim_swinv2-small-w12.py', '../_base_/datasets/imagenet_simmim_192.py',
    '../_base_/schedules/simmim_800e.py', '../_base_/default_runtime.py'
]
