"""What the tests of conversion share: random weights, and our encoders with converted ones."""

import torch
from torch import Tensor, nn

from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer

SIZE = 96
# Windows 6, 6, 6 and 3: shifted, shifted, as large as the map, larger than the map
HIERARCHY = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
VIT = dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64)


def randomise(model: nn.Module) -> nn.Module:
    """Draw every parameter, so that nothing hides behind an initial 0 or 1; float64, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.double().eval()
    return model


def images(size: int = SIZE) -> Tensor:
    """Two images, float64, shape (2, 3, size, size)."""
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def swin(state_dict: dict[str, Tensor], **kwargs: object) -> SwinTransformer:
    """Our Swin with a foreign state dict."""
    kwargs = dict(arch=HIERARCHY, img_size=SIZE, window_size=6) | kwargs
    return _loaded(SwinTransformer(**kwargs), state_dict)


def swin_v2(state_dict: dict[str, Tensor], **kwargs: object) -> SwinTransformerV2:
    """Our Swin V2 with a foreign state dict."""
    return _loaded(SwinTransformerV2(**(dict(arch=HIERARCHY, img_size=SIZE, window_size=6) | kwargs)), state_dict)


def vit(state_dict: dict[str, Tensor], **kwargs: object) -> VisionTransformer:
    """Our ViT with a foreign state dict."""
    return _loaded(VisionTransformer(**(dict(arch=VIT, img_size=SIZE) | kwargs)), state_dict)


def _loaded(encoder: nn.Module, state_dict: dict[str, Tensor]) -> nn.Module:
    whole = convert_state_dict(state_dict, to='mmsimmim')
    bare = {key.removeprefix('backbone.'): tensor for key, tensor in whole.items() if key.startswith('backbone.')}
    if 'mask_token' in bare:
        encoder.add_mask_token()
    encoder.load_state_dict(bare)
    return encoder.double().eval()


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two state dicts have the same names and the same bits."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
