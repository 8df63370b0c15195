_base_ = [
    '../../_base_/models/simmim_swinv2-base-w12.py', '../../_base_/datasets/imagenet22k_simmim_192_iters.py',
    '../../_base_/schedules/simmim_125k.py', '../../_base_/iters_runtime.py'
]
