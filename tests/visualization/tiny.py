"""A SimMIM small enough to run in milliseconds, and pictures for it."""

import cv2
import numpy as np
from mmengine.config import Config

CONVERTED = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)


def tiny_config(folder, in_channels=3, preprocessor=CONVERTED):
    """A whole config: Swin of stride 32, images of 64 px, masked patches of 16 px, validation on ``folder``."""
    mask = dict(
        type='mmsimmim.SimMIMMaskGenerator', input_size=64, mask_patch_size=16, model_patch_size=4, mask_ratio=0.6)
    train = [dict(type='mmsimmim.LoadImage'), dict(type='RandomResizedCrop', scale=64, crop_ratio_range=(0.67, 1)),
             mask, dict(type='PackInputs')]
    val = [dict(type='mmsimmim.LoadImage'), dict(type='Resize', scale=(64, 64)), dict(seed=0, **mask),
           dict(type='PackInputs')]
    loader = dict(batch_size=2, num_workers=0, collate_fn=dict(type='default_collate'))
    return Config(dict(
        default_scope='mmpretrain',
        custom_imports=dict(imports=['mmsimmim'], allow_failed_imports=False),
        data_preprocessor=dict(type='SelfSupDataPreprocessor', **preprocessor),
        model=dict(
            type='mmsimmim.SimMIM',
            backbone=dict(
                type='mmsimmim.SwinTransformer',
                arch=dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4]),
                img_size=64,
                in_channels=in_channels,
                window_size=4,
                drop_path_rate=0.3),
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=64, encoder_stride=32),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))),
        train_dataloader=dict(
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='mmsimmim.ImageFolder', data_root=str(folder), pipeline=train), **loader),
        val_dataloader=dict(
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(type='mmsimmim.ImageFolder', data_root=str(folder), pipeline=val), **loader),
        val_cfg=dict(),
        val_evaluator=dict(type='mmsimmim.ReconstructionLoss'),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3)),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=3),
        default_hooks=dict(checkpoint=None),
        visualizer=dict(type='UniversalVisualizer', vis_backends=[
            dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]),
        randomness=dict(seed=0)))


def write_picture(path, height=70, width=90, seed=0):
    """Write a smooth random picture, bluer than red, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3)) * (1, 0.7, 0.3)
    assert cv2.imwrite(str(path), cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC))
    return path
