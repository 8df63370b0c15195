"""Initialisation of a vision transformer."""

import math

import torch
from torch import Tensor, nn


def initialise_vit(model: nn.Module) -> None:
    """Official initialisation: all weights and tokens truncated at one sigma, biases and bias tables zero.

    The last layer of each branch is then divided by the root of twice the block's number, counted from 1
    (``fix_init_weight`` in the official ``models/vision_transformer.py``).

    Args:
        model (nn.Module): A :class:`VisionTransformer`; changed in place.
    """
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            truncate_at_one_sigma(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for parameter in (model.cls_token, model.pos_embed):
        if parameter is not None:
            truncate_at_one_sigma(parameter)
    with torch.no_grad():
        for number, layer in enumerate(model.layers, start=1):
            layer.attn.proj.weight.div_(math.sqrt(2 * number))
            layer.ffn.layers[1].weight.div_(math.sqrt(2 * number))


def truncate_at_one_sigma(tensor: Tensor) -> None:
    """Fill a tensor from a normal distribution of standard deviation 0.02, cut at one standard deviation."""
    nn.init.trunc_normal_(tensor, std=0.02, a=-0.02, b=0.02)
