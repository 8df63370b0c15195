"""Checkpoints of encoders of ours, of every kind that a detector or segmentor may start from."""

from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import save_checkpoint
from torch import Tensor, nn

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict, write_checkpoint
from mmsimmim.registry import MODELS
from tests.downstream.stock_models import draw_weights

# The last stage is not shifted in pre-training, where its window is its map, and with one block never is.
ARCH = dict(embed_dims=8, depths=[2, 2, 2, 1], num_heads=[1, 2, 2, 4])
VIT = dict(embed_dims=16, num_layers=4, num_heads=4, feedforward_channels=32)
CHANNELS = {'swin': [8, 16, 32, 64], 'swin_v2': [8, 16, 32, 64], 'vit': [16, 16, 16, 16]}
# Windows of 6 tokens in all stages
PRETRAINING = {
    'swin': dict(type='mmsimmim.SwinTransformer', arch=ARCH, img_size=192, window_size=6, drop_path_rate=0.),
    'swin_v2': dict(type='mmsimmim.SwinTransformerV2', arch=ARCH, img_size=192, window_size=6, drop_path_rate=0.),
    'vit': dict(type='mmsimmim.VisionTransformer', arch=VIT, img_size=96, drop_path_rate=0.),
}
OWN_TABLES = dict(use_rel_pos_bias=True, use_shared_rel_pos_bias=False)


def downstream(encoder: str, larger: bool = False, kind: str = 'pre-training', **kwargs: object) -> dict:
    """The backbone for maps of four levels: windows as in pre-training, or larger ones."""
    if encoder == 'vit':
        # fine-tuning with the average of patches has no norm after the last block
        norm = kind != 'classifier'
        return dict(PRETRAINING[encoder], img_size=128 if larger else 96, out_indices=(0, 1, 2, 3), final_norm=norm,
                    **OWN_TABLES, **kwargs)
    windows = dict(pretrained_window_sizes=6) if encoder == 'swin_v2' else {}
    return dict(PRETRAINING[encoder], img_size=None, window_size=7 if larger else 6, out_indices=(0, 1, 2, 3),
                **windows, **kwargs)


def _simmim(encoder: str) -> nn.Module:
    channels, stride, patch_size = (16, 16, 16) if encoder == 'vit' else (64, 32, 4)
    return MODELS.build(ConfigDict(
        type='mmsimmim.SimMIM', backbone=PRETRAINING[encoder],
        neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=channels, encoder_stride=stride),
        head=dict(type='mmsimmim.SimMIMHead', patch_size=patch_size,
                  loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))))


def _classifier(encoder: str) -> nn.Module:
    backbone, channels = PRETRAINING[encoder], CHANNELS[encoder][-1]
    if encoder == 'vit':
        backbone = dict(backbone, out_type='avg_featmap', final_norm=False, **OWN_TABLES)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(ConfigDict(
            type='mmpretrain.ImageClassifier', backbone=backbone,
            neck=None if encoder == 'vit' else dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(type='mmpretrain.LinearClsHead', num_classes=5, in_channels=channels)))


def _of_training(model: nn.Module, path: str) -> None:
    optimizer = torch.optim.AdamW(model.parameters()).state_dict()
    save_checkpoint(dict(meta=dict(epoch=100, iter=9), state_dict=model.state_dict(), optimizer=optimizer), path)


def _exported(model: nn.Module, path: str) -> None:
    write_checkpoint(path, convert_state_dict(model.state_dict(), to='backbone'))


def _official(model: nn.Module, path: str) -> None:
    write_checkpoint(path, convert_state_dict(model.state_dict(), to='official'), key='model')


# How the model is built, and how it is written
KINDS: dict[str, tuple[Callable, Callable]] = {
    'pre-training': (_simmim, _of_training),
    'exported': (_simmim, _exported),
    'official': (_simmim, _official),
    'classifier': (_classifier, _of_training),
}


def save(encoder: str, kind: str, folder: Path) -> tuple[str, nn.Module]:
    """Write a checkpoint with drawn weights; its path, and the encoder that was saved, in evaluation mode."""
    build, write = KINDS[kind]
    model = build(encoder)
    draw_weights(model)
    path = str(folder / f'{encoder}_{kind}.pth')
    write(model, path)
    return path, model.backbone.eval()


def parameters(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter by its name."""
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
