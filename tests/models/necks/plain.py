"""What the tests of the prediction heads share: counting, and putting positions in their places one by one."""

from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor

from mmsimmim.registry import MODELS

REPO = Path(__file__).resolve().parents[3]


def count_parameters(neck: dict) -> int:
    """Parameters of the encoder of the paper's ablations, its mask token included, and of a head."""
    backbone = Config.fromfile(REPO / 'configs/_base_/models/simmim_swin-base-w6.py').model.backbone
    with torch.device('meta'):
        encoder, decoder = MODELS.build(backbone), MODELS.build(neck)
        encoder.add_mask_token()
    return sum(parameter.numel() for part in (encoder, decoder) for parameter in part.parameters())


def place_positions(numbers: Tensor, factor: int) -> Tensor:
    """Put the numbers of each token side by side: (B, h, w, C * factor**2) to (B, C, h * factor, w * factor)."""
    batch, height, width, length = numbers.shape
    out = numbers.new_empty(batch, length // factor**2, height * factor, width * factor)
    for channel in range(out.shape[1]):
        for i in range(factor):
            for j in range(factor):
                out[:, channel, i::factor, j::factor] = numbers[..., (channel * factor + i) * factor + j]
    return out
