_base_ = [
    '../../_base_/models/simmim_swinv2-huge-w12.py', '../../_base_/datasets/imagenet22k_simmim_192_iters.py',
    '../../_base_/schedules/simmim_125k.py', '../../_base_/iters_runtime.py'
]

train_dataloader = dict(batch_size=64)

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
