"""Mask R-CNN and UPerNet by the stock configs of mmdet and mmsegmentation, thin, around any encoder."""

from importlib import import_module
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from torch import nn

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.registry import MODELS

ARCH = dict(embed_dims=16, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8])
CHANNELS = [16, 32, 64, 128]
# No stochastic depth: theirs and ours draw other random numbers.
STOCK_SWIN = dict(type='SwinTransformer', **ARCH, window_size=7, drop_path_rate=0.)
OUR_SWIN = dict(type='mmsimmim.SwinTransformer', arch=ARCH, window_size=7, drop_path_rate=0., out_indices=(0, 1, 2, 3))
NUM_CLASSES = 3
DETECTOR, SEGMENTOR = 'mmdet', 'mmseg'


def stock_config(framework: str) -> Config:
    """The config of Swin-T as the framework ships it."""
    name = dict(mmdet='swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py',
                mmseg='swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py')[framework]
    return Config.fromfile(Path(import_module(framework).__file__).parent / '.mim/configs' / name)


def model_config(framework: str, backbone: dict, channels: list[int] = CHANNELS) -> ConfigDict:
    """The stock model with narrow heads and another backbone; images keep their size, there is no padding to 32."""
    model = stock_config(framework).model
    model.backbone = ConfigDict(backbone)
    (_narrow_detector if framework == DETECTOR else _narrow_segmentor)(model, channels)
    return model


def _narrow_detector(model: ConfigDict, channels: list[int]) -> None:
    model.data_preprocessor.pad_size_divisor = 1
    model.neck.update(in_channels=channels, out_channels=16)
    model.rpn_head.update(in_channels=16, feat_channels=16)
    heads = model.roi_head
    heads.bbox_roi_extractor.out_channels = heads.mask_roi_extractor.out_channels = 16
    heads.bbox_head.update(in_channels=16, fc_out_channels=32, num_classes=NUM_CLASSES)
    heads.mask_head.update(in_channels=16, conv_out_channels=16, num_classes=NUM_CLASSES)
    model.train_cfg.rpn_proposal.update(nms_pre=100, max_per_img=50)
    model.train_cfg.rcnn.sampler.num = 32
    model.test_cfg.rpn.update(nms_pre=100, max_per_img=50)
    model.test_cfg.rcnn.max_per_img = 20


def _narrow_segmentor(model: ConfigDict, channels: list[int]) -> None:
    model.data_preprocessor.update(size=None, size_divisor=1, test_cfg=dict(size_divisor=1))
    for head, given in ((model.decode_head, channels), (model.auxiliary_head, channels[2])):
        head.update(in_channels=given, channels=16, num_classes=NUM_CLASSES, norm_cfg=dict(type='BN'))


def build(framework: str, backbone: dict, **kwargs: object) -> nn.Module:
    """The model in its framework's scope, not initialised."""
    import_module(f'{framework}.models')
    with DefaultScope.overwrite_default_scope(framework):
        return MODELS.build(model_config(framework, backbone, **kwargs))


def draw_weights(model: nn.Module, seed: int = 0) -> None:
    """Draw every parameter so that it counts: bias tables of sigma 1, layers that keep the scale, norms about 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith('relative_position_bias_table'):
                parameter.copy_(noise)
            elif parameter.ndim > 1:
                parameter.copy_(noise * parameter[0].numel()**-0.5)
            else:
                parameter.copy_(name.endswith('weight') + 0.2 * noise)


def images(sizes: list[tuple[int, int]]) -> list[torch.Tensor]:
    """Coarse coloured patterns, uint8, one of each size (H, W)."""
    generator = torch.Generator().manual_seed(1)
    coarse = [torch.rand(1, 3, -(-height // 8), -(-width // 8), generator=generator) * 255 for height, width in sizes]
    return [nn.functional.interpolate(pattern, size, mode='bilinear')[0].byte() for pattern, size in zip(coarse, sizes)]
