"""Reference numbers of the official implementation, and models loaded with them."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.registry import MODELS

DATA = Path(__file__).parent / 'data'


def load(name: str) -> dict[str, Tensor]:
    """All arrays of a file, numbers as float64 and texts left out."""
    with np.load(DATA / name) as file:
        arrays = {key: file[key] for key in file.files}
    numbers = {key: value for key, value in arrays.items() if value.dtype.kind in 'fiub'}
    return {key: torch.from_numpy(np.array(value, np.float64)) for key, value in numbers.items()}


def below(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The arrays whose name starts with ``prefix``, without it."""
    return {key[len(prefix):]: value for key, value in arrays.items() if key.startswith(prefix)}


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest value."""
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def simmim_swin(**backbone: object) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    """The model of ``simmim_swin.npz`` in float64 with the official parameters, and the file."""
    return _hierarchical('simmim_swin.npz', dict(type='mmsimmim.SwinTransformer', **backbone))


def simmim_swinv2(target: dict | None = None, **backbone: object) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    """The model of ``simmim_swinv2.npz`` in float64 with the official parameters, and the file."""
    return _hierarchical('simmim_swinv2.npz', dict(type='mmsimmim.SwinTransformerV2', **backbone), target)


def simmim_vit(**backbone: object) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    """The model of ``simmim_vit.npz`` in float64 with the official parameters, and the file."""
    arch = dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64)
    encoder = dict(type='mmsimmim.VisionTransformer', arch=arch, img_size=96, drop_path_rate=0., **backbone)
    return _simmim('simmim_vit.npz', encoder, channels=16, stride=16, patch_size=16)


def _hierarchical(file: str, backbone: dict, target: dict | None = None) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    arch = dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    encoder = dict(arch=arch, img_size=96, window_size=6, drop_path_rate=0., **backbone)
    return _simmim(file, encoder, channels=32, stride=32, patch_size=4, target=target)


def _simmim(file: str, backbone: dict, channels: int, stride: int, patch_size: int,
            target: dict | None = None) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    arrays = load(file)
    model = MODELS.build(
        dict(
            type='mmsimmim.SimMIM',
            backbone=backbone,
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=channels, encoder_stride=stride),
            head=dict(
                type='mmsimmim.SimMIMHead', patch_size=patch_size,
                loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')),
            target_generator=target,
            data_preprocessor=dict(type='mmengine.BaseDataPreprocessor'))).double()
    model.load_state_dict(convert_state_dict(below(arrays, 'param/'), to='mmsimmim'))
    return model, arrays


def assert_official_gradients(model: torch.nn.Module, arrays: dict[str, Tensor]) -> None:
    """Every gradient of a model, after a backward pass, is the file's to 1e-6, and the file has no others."""
    gradients = convert_state_dict({name: p.grad for name, p in model.named_parameters()}, to='official')
    expected = below(arrays, 'grad/')
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        assert relative_error(gradients[name], gradient) < 1e-6, name
