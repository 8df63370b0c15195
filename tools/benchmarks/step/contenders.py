"""SimMIM of all code bases with one interface: a module and its loss on images and masks, eager or compiled.

Each is built as its own authors would run it in pre-training: fused attention where it has that, the same sizes and
windows, linear head, L1 on the masked pixels, no stochastic depth.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mmsimmim.architectures import SWIN, VIT
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS

if TYPE_CHECKING:
    from torch import Tensor, nn

COMPILED = '-compiled'


@dataclass(frozen=True)
class Architecture:
    """What is pre-trained.

    Args:
        kind (str): ``'swin'``, ``'swinv2'`` or ``'vit'``.
        sizes (dict): ``embed_dims``, ``depths`` and ``num_heads`` of a Swin; ``embed_dims``, ``num_layers``,
            ``num_heads`` and ``feedforward_channels`` of a ViT.
        img_size (int): Side of the images, pixels.
        window (int): Side of the windows, tokens; where a map is smaller, its side. Defaults to 0: a ViT has none.
        patch (int): Side of the patches that become tokens, pixels. Defaults to 4.
        mask_patch (int): Side of what is masked together, pixels. Defaults to 32.
    """

    kind: str
    sizes: dict[str, Any]
    img_size: int
    window: int = 0
    patch: int = 4
    mask_patch: int = 32

    @property
    def stride(self) -> int:
        """Pixels per side of a position of the last map."""
        return self.patch if self.kind == 'vit' else self.patch * 2**(len(self.sizes['depths']) - 1)

    @property
    def channels(self) -> int:
        """Channels of the last map."""
        return self.sizes['embed_dims'] * self.stride // self.patch

    def windows(self) -> list[int]:
        """Side of the windows of each stage, tokens."""
        maps = [self.img_size // (self.patch * 2**stage) for stage in range(len(self.sizes['depths']))]
        return [min(self.window, side) for side in maps]


ARCHITECTURES = {
    'swin-tiny': Architecture('swin', SWIN['tiny'], 192, window=6),
    'swin-base': Architecture('swin', SWIN['base'], 192, window=6),
    'swin-large': Architecture('swin', SWIN['large'], 192, window=12),
    'swinv2-base': Architecture('swinv2', SWIN['base'], 192, window=12),
    'vit-base': Architecture('vit', VIT['base'], 224, patch=16),
}


def architecture(name: str, img_size: int | None, window: int | None = None) -> Architecture:
    """An architecture for images of a size, with windows of a size.

    Raises:
        UserError: What is masked together does not tile the image, or there are no such windows.
    """
    arch = ARCHITECTURES[name]
    if window is not None and (window < 1 or arch.kind == 'vit'):
        raise UserError(f'--window {window}: {name} takes no such windows.')
    arch = replace(arch, img_size=img_size or arch.img_size, window=window or arch.window)
    if arch.img_size < 1 or arch.img_size % arch.mask_patch:
        raise UserError(f'--img-size {arch.img_size}: {name} takes multiples of {arch.mask_patch} pixels.')
    return arch


@dataclass
class Contender:
    """A model that can be trained.

    Args:
        model (nn.Module): With all parameters.
        loss (Callable): Maps images (B, 3, H, W) and masks (B, H / patch, W / patch), bool, to the loss.
    """

    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]


class NotAvailable(UserError):
    """There is no such contender for an architecture, or not on this machine."""


def build_ours(name: str, arch: Architecture, with_cp: bool | str = False,
               sequential_stages: tuple[int, ...] = ()) -> Contender:
    """This package's, with the activation checkpointing of ``with_cp``, and sequential attention in some stages."""
    sizes = dict(arch=arch.sizes, img_size=arch.img_size, patch_size=arch.patch, drop_path_rate=0.0, with_cp=with_cp)
    if arch.kind == 'vit' and sequential_stages:
        raise NotAvailable(f'{name} has no stages')
    if arch.kind == 'vit':
        # as configs/_base_/models/simmim_vit-base-p16.py
        backbone = dict(sizes, type='mmsimmim.VisionTransformer', layer_scale_init_value=0.1, use_abs_pos_emb=False,
                        use_rel_pos_bias=False, use_shared_rel_pos_bias=True, final_norm=True, out_type='featmap')
    else:
        kinds = dict(swin='SwinTransformer', swinv2='SwinTransformerV2')
        backbone = dict(sizes, type=f'mmsimmim.{kinds[arch.kind]}', window_size=arch.window,
                        sequential_stages=sequential_stages)
    model = MODELS.build(
        dict(
            type='mmsimmim.SimMIM',
            backbone=backbone,
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=arch.channels, encoder_stride=arch.stride),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=arch.patch,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))))
    return Contender(model, model.masked_loss)


def build_mmpretrain(name: str, arch: Architecture) -> Contender:
    """mmpretrain's, which has SimMIM for Swin alone, with the windows of the official network."""
    if arch.kind != 'swin':
        raise NotAvailable(f'mmpretrain has no SimMIM for {name}')
    stages = [dict(block_cfgs=dict(window_size=window)) for window in arch.windows()]
    model = MODELS.build(
        dict(
            type='mmpretrain.SimMIM',
            backbone=dict(type='mmpretrain.SimMIMSwinTransformer', arch=arch.sizes, img_size=arch.img_size,
                          drop_path_rate=0.0, stage_cfgs=stages, patch_cfg=dict(kernel_size=arch.patch,
                                                                                stride=arch.patch)),
            neck=dict(type='mmpretrain.SimMIMLinearDecoder', in_channels=arch.channels, encoder_stride=arch.stride),
            head=dict(type='mmpretrain.SimMIMHead', patch_size=arch.patch,
                      loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L1', channel=3))))

    def loss(images: Tensor, mask: Tensor) -> Tensor:
        return model.head.loss(model.neck(model.backbone(images, mask)[-1]), images, mask)

    return Contender(model, loss)


def build_hugging_face(name: str, arch: Architecture) -> Contender:
    """Hugging Face's; its ViT has a class token and absolute positions in place of a bias table and layer scale."""
    try:
        import transformers
    except ImportError as error:
        raise NotAvailable('Hugging Face transformers is not installed') from error
    common = dict(image_size=arch.img_size, patch_size=arch.patch, encoder_stride=arch.stride)
    if arch.kind == 'vit':
        model = transformers.ViTForMaskedImageModeling(
            transformers.ViTConfig(**common, hidden_size=arch.channels, num_hidden_layers=arch.sizes['num_layers'],
                                   num_attention_heads=arch.sizes['num_heads'],
                                   intermediate_size=arch.sizes['feedforward_channels']))
    else:
        family = dict(swin='Swin', swinv2='Swinv2')[arch.kind]
        config = getattr(transformers, f'{family}Config')(
            **common, embed_dim=arch.sizes['embed_dims'], depths=arch.sizes['depths'],
            num_heads=arch.sizes['num_heads'], window_size=arch.window, drop_path_rate=0.0)
        model = getattr(transformers, f'{family}ForMaskedImageModeling')(config)

    def loss(images: Tensor, mask: Tensor) -> Tensor:
        return model(images, bool_masked_pos=mask.flatten(1)).loss

    return Contender(model, loss)


BUILDERS = {'ours': build_ours, 'mmpretrain': build_mmpretrain, 'hugging-face': build_hugging_face}
# On request only.
RECOMPUTING = {
    'ours-cheap': partial(build_ours, with_cp='cheap'),
    'ours-recomputed': partial(build_ours, with_cp=True),
    'ours-sequential': partial(build_ours, sequential_stages=(0, 1)),
    'ours-sequential-recomputed': partial(build_ours, with_cp=True, sequential_stages=(0, 1)),
}


def parse_contender(text: str) -> tuple[str, Callable[[str, Architecture], Contender]]:
    """Read ``NAME=module:callable``, whose callable maps the name of an architecture and the side of the images to a
    module that maps images and masks to the loss.

    Args:
        text (str): What was given.

    Returns:
        tuple[str, Callable]: The name, and a builder as those of ``BUILDERS``.

    Raises:
        UserError: It is not of this form, or there is no such module or callable.
    """
    name, _, target = text.partition('=')
    module_name, _, attribute = target.partition(':')
    if not (name and module_name and attribute) or name.endswith(COMPILED):
        raise UserError(f'--contender {text!r} is not of the form NAME=module:callable, such as '
                        f'official=simmim_adapter:build (a NAME without {COMPILED} at its end).')
    try:
        make = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f'--contender {text}: {error}. Put the folder of the module into PYTHONPATH.') from error

    def build(arch_name: str, arch: Architecture) -> Contender:
        model = make(arch_name, arch.img_size)
        return Contender(model, model)

    return name, build


def choose(names: list[str] | None, others: list[str]) -> tuple[list[str], dict[str, Callable]]:
    """Names of the contenders, and how each is built.

    Args:
        names (list[str], optional): As given to ``--contenders``. Defaults to all but those of ``RECOMPUTING``.
        others (list[str]): As given to ``--contender``.

    Raises:
        UserError: A name is unknown.
    """
    unasked = {**BUILDERS, **dict(map(parse_contender, others))}
    builders = {**BUILDERS, **RECOMPUTING, **unasked}
    everyone = [name + end for name in builders for end in ('', COMPILED)]
    for name in names or ():
        if name not in everyone:
            raise UserError(f'--contenders: {name!r} is none of {", ".join(everyone)}; --contender adds others.')
    return names or [name + end for name in unasked for end in ('', COMPILED)], builders


def build(name: str, arch_name: str, arch: Architecture, builders: dict[str, Callable], backend: str) -> Contender:
    """Build a contender, with the same random numbers for each.

    Ours is compiled as training does it, as one graph; others as ``torch.compile`` does if nothing is asked for, which
    allows breaks.

    Args:
        name (str): A key of ``builders``, or one with '-compiled' behind it.
        arch_name (str): Name of the architecture.
        arch (Architecture): The architecture.
        builders (dict): Maps names to functions of name and architecture.
        backend (str): Of ``torch.compile``.

    Raises:
        NotAvailable: There is no such contender.
    """
    import torch

    base = name.removesuffix(COMPILED)
    torch.manual_seed(0)
    contender = builders[base](arch_name, arch)
    if name.endswith(COMPILED):
        whole = base.startswith('ours')
        contender.loss = torch.compile(contender.loss, fullgraph=whole, dynamic=False, backend=backend)
    return contender
