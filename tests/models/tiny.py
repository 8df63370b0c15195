"""SimMIM models of 64 px images, small enough to train a step in a fraction of a second."""

import numpy as np
import torch
from mmengine.structures import BaseDataElement

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import MODELS

SWIN = dict(arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]), img_size=64, window_size=4,
            drop_path_rate=0.)
VIT = dict(arch=dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16), img_size=64, drop_path_rate=0.)
# Settings, channels of the last map, its stride, pixels per side of a token that is masked.
ENCODERS = dict(
    swin=(dict(type='mmsimmim.SwinTransformer', **SWIN), 64, 32, 4),
    swin_v2=(dict(type='mmsimmim.SwinTransformerV2', **SWIN), 64, 32, 4),
    vit=(dict(type='mmsimmim.VisionTransformer', **VIT), 8, 16, 16))
L1 = dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')
CROSS_ENTROPY = dict(type='mmsimmim.CrossEntropyReconstructionLoss')
NOT_NORMALISED = dict(type='mmengine.BaseDataPreprocessor')
DALLE = dict(type='mmpretrain.DALL-E', group_count=4, n_hid=4, n_blk_per_group=1, vocab_size=12)
VQKD = dict(
    type='mmpretrain.VQKD',
    encoder_config=dict(arch=VIT['arch'], img_size=64, patch_size=16, out_type='featmap', use_abs_pos_emb=True,
                        use_rel_pos_bias=False, layer_scale_init_value=0.),
    num_embed=12,
    embed_dims=4,
    quantize_kmeans_init=False)


def build(target=None, loss=None, encoder='swin', neck='SimMIMLinearDecoder', in_channels=3,
          preprocessor=NOT_NORMALISED, seed=0, **head):
    """The model of :func:`model_config`."""
    torch.manual_seed(seed)
    return MODELS.build(model_config(target, loss, encoder, neck, in_channels, preprocessor, **head))


def model_config(target=None, loss=None, encoder='swin', neck='SimMIMLinearDecoder', in_channels=3,
                 preprocessor=NOT_NORMALISED, **head):
    """The loss fits the target, if it is not given; the neck may be a name or a config."""
    backbone, channels, stride, patch_size = ENCODERS[encoder]
    neck = dict(type=f'mmsimmim.{neck}') if isinstance(neck, str) else neck
    loss = loss or (CROSS_ENTROPY if names_classes(target) else L1)
    return dict(
        type='mmsimmim.SimMIM',
        backbone=dict(backbone, in_channels=in_channels),
        neck=dict(dict(in_channels=channels, encoder_stride=stride), **neck),
        head={'type': 'mmsimmim.SimMIMHead', 'patch_size': patch_size, 'loss': loss, **head},
        target_generator=target,
        data_preprocessor=preprocessor)


def names_classes(target):
    return target is not None and any(name in target['type'] for name in ('Bin', 'Cluster', 'Token'))


def token_target(tokenizer=DALLE, **kwargs):
    settings = dict(type='mmsimmim.TokenTarget', tokenizer=tokenizer, num_tokens=12)
    if tokenizer['type'] == VQKD['type']:
        settings.update(tokenizer_stride=16, mean=127.5, std=127.5)
    return settings | kwargs


def write_palette(path, colours):
    """Write colours, or so many random ones, and return the path as text."""
    if isinstance(colours, int):
        colours = np.random.default_rng(0).uniform(0, 255, (colours, 3))
    np.save(path, np.asarray(colours, np.float32))
    return str(path)


def random_masks(images=2, encoder='swin', seed=0):
    """Masks (B, 64 / p, 64 / p), of as many squares of 16 pixels for each image."""
    generator = torch.Generator().manual_seed(seed)
    patch_size = ENCODERS[encoder][3]
    cells = torch.stack([torch.randperm(16, generator=generator).reshape(4, 4) < 10 for _ in range(images)])
    repeat = 16 // patch_size
    return cells.repeat_interleave(repeat, 1).repeat_interleave(repeat, 2).to(torch.uint8)


def samples_of(masks):
    return [BaseDataElement(mask=one) for one in masks]


def levels(images=2, channels=3, size=(64, 64), seed=0):
    """Images as loaded: uint8, (B, C, H, W), blue first where there are three channels."""
    return torch.randint(0, 256, (images, channels, *size), dtype=torch.uint8,
                         generator=torch.Generator().manual_seed(seed))


def preprocess(model, images):
    """What the model's data preprocessor makes of a batch of loaded images."""
    return model.data_preprocessor(dict(inputs=images, data_samples=None))['inputs'].float()
