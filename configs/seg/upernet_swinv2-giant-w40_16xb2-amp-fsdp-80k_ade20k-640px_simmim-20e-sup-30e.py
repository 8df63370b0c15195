"""UPerNet with Swin V2-Giant, with the settings of Swin V2's appendix A2.2: 59.1 mIoU.

It starts from the encoder that was pre-trained with SimMIM and then with labels, on the same folder of images. Its
test at 896 px is another config, of the same name with `_test-896px`.
"""

_base_ = [
    '../_base_/models/upernet_swinv2-giant-w40.py', '../_base_/datasets/ade20k_640.py',
    '../_base_/schedules/seg_swinv2-giant_80k.py', '../_base_/seg_runtime.py'
]

model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/swinv2-giant-w12_128xb72-amp-fsdp-coslr-30e_folder-192px_simmim-20e/epoch_30.pth')))

runner_type = 'FlexibleRunner'
strategy = dict(type='mmsimmim.FSDPStrategy')
