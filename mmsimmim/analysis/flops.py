"""Parameters and FLOPs of a model for one image at test time; a multiply-add counts as one.

MMEngine's analysis counts the operations that are run: matrix products, convolutions, attention, norms, interpolation.
"""

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.analysis import FlopAnalyzer, parameter_count
from mmengine.analysis.jit_handles import get_shape
from mmengine.config import Config
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor, nn

from ..errors import UserError
from ..models import SimMIM
from ..registry import MODELS
from .image_size import image_size, pipeline_of

DETECTION_SHAPE = (800, 1280)
# The names under which PyTorch's fused attention appears: as it is called, and its kernels if one is called by itself.
ATTENTION = ('scaled_dot_product_attention', '_scaled_dot_product_attention_math',
             '_scaled_dot_product_flash_attention', '_scaled_dot_product_flash_attention_for_cpu',
             '_scaled_dot_product_efficient_attention', '_scaled_dot_product_cudnn_attention')


@dataclass
class Cost:
    """The cost of one image at test time.

    Args:
        shape (tuple[int, int]): Height and width of the image, pixels.
        parameters (int): Parameters of the model.
        flops (float): Multiply-adds, and the operations of norms and interpolation.
        encoder_flops (float): Those of the backbone among them.
        attention_flops (float): Those of the two products of attentions among them.
        uncounted (Counter): Calls of each operation that is not counted.
    """

    shape: tuple[int, int]
    parameters: int
    flops: float
    encoder_flops: float
    attention_flops: float
    uncounted: Counter = field(default_factory=Counter)


class OnePass(nn.Module):
    """The forward pass of a model at test time, from tensor to tensors.

    Args:
        model (nn.Module): Any model of OpenMMLab, or a backbone.
        proposals (Tensor): Proposals of a two-stage detector, shape (N, 4), pixels.
    """

    def __init__(self, model: nn.Module, proposals: Tensor) -> None:
        super().__init__()
        self.model = model
        self.proposals = proposals

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images (1, C, H, W) to all output tensors."""
        if isinstance(self.model, SimMIM):
            patch = self.model.backbone.patch_embed.projection.kernel_size
            mask = images.new_ones(len(images), *(side // step for side, step in zip(images.shape[2:], patch)))
            return (self.model.reconstruct(images, mask), )
        if getattr(self.model, 'with_rpn', False):
            return self._two_stages(images)
        if isinstance(self.model, BaseModel):
            return flatten(self.model(images, samples_of(images), mode='tensor'))
        return flatten(self.model(images))

    def _two_stages(self, images: Tensor) -> tuple[Tensor, ...]:
        maps, head = self.model.extract_feat(images), self.model.roi_head
        outputs = [self.model.rpn_head(maps)]
        if not hasattr(head, 'num_stages'):
            found = [InstanceData(bboxes=self.proposals)]
            return flatten([*outputs, head.forward(maps, found, samples_of(images))])
        # forward() of a cascade would make the masks of all proposals
        rois = F.pad(self.proposals, (1, 0))
        for stage in range(head.num_stages):
            outputs.append(head._bbox_forward(stage, maps, rois))
            if head.with_mask and not hasattr(head, 'mask_info_flow'):
                outputs.append(head._mask_forward(stage, maps, rois[:100]))
        if head.with_mask and hasattr(head, 'mask_info_flow'):
            # HTC, whose mask heads pass on their features; the masks of all but the last are not used, and not counted
            outputs.append(head._mask_forward(-1, maps, rois[:100], training=False))
        return flatten(outputs)


def samples_of(images: Tensor) -> list[BaseDataElement]:
    """The data samples that detectors need."""
    size = tuple(images.shape[2:])
    return [BaseDataElement(metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size,
                                          scale_factor=(1., 1.))) for _ in images]


def random_boxes(number: int, shape: tuple[int, int], device: torch.device) -> Tensor:
    """Random boxes (number, 4) in an image of a height and a width: the cost depends on their number only."""
    corners = torch.rand(number, 2, 2, device=device).sort(dim=1).values
    return (corners * corners.new_tensor(shape[::-1])).flatten(1)


def flatten(nested: Any) -> tuple[Tensor, ...]:
    """The tensors in lists, tuples and dicts."""
    if isinstance(nested, Tensor):
        return (nested, )
    if isinstance(nested, dict):
        nested = list(nested.values())
    return tuple(tensor for part in nested for tensor in flatten(part)) if isinstance(nested, (list, tuple)) else ()


def count_attention(inputs: list, outputs: list) -> Counter:
    """Multiply-adds of an attention (QK^T, and its product with V) with any leading dimensions.

    Args:
        inputs (list[torch._C.Value]): Query (..., L, E), key (..., S, E), value (..., S, D) and whatever follows.
        outputs (list[torch._C.Value]): Output (..., L, D) and whatever follows.

    Returns:
        Counter: Under the name ``attention``.
    """
    query, key, out = get_shape(inputs[0]), get_shape(inputs[1]), get_shape(outputs[0])
    return Counter(attention=prod(out[:-1]) * key[-2] * (query[-1] + out[-1]))


def count(model: nn.Module, shape: tuple[int, int], num_proposals: int = 1000, channels: int = 3) -> Cost:
    """Count what one image costs.

    Args:
        model (nn.Module): Any model of OpenMMLab, or a backbone. It is left in evaluation mode.
        shape (tuple[int, int]): Height and width of the image, pixels.
        num_proposals (int): Proposals of a two-stage detector. Defaults to 1000.
        channels (int): Channels of the image. Defaults to 3.

    Returns:
        Cost: Its cost.
    """
    model.eval()  # of which some backbones return nothing
    device = next(model.parameters()).device
    images = torch.rand(1, channels, *shape, device=device)
    proposals = random_boxes(num_proposals, shape, device)
    analysis = FlopAnalyzer(OnePass(model, proposals), (images, ))
    analysis.set_op_handle(**{f'aten::{name}': count_attention for name in ATTENTION})
    analysis.set_op_handle('aten::feature_dropout', None)  # which does nothing in a test
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    with torch.no_grad():
        flops = analysis.total()
    encoder = 'model.backbone' if hasattr(model, 'backbone') else 'model'
    return Cost(shape, parameter_count(model)[''], flops, analysis.total(encoder), analysis.by_operator()['attention'],
                analysis.unsupported_ops())


def build(cfg: Config) -> nn.Module:
    """The model of a config, with random weights, for a single process."""
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    return revert_sync_batchnorm(MODELS.build(cfg.model))


def default_shape(cfg: Config) -> tuple[int, int]:
    """Height and width of the images for which the cost of such a model is usually quoted.

    Raises:
        UserError: If the config does not say.
    """
    divisor = (cfg.model.get('data_preprocessor') or {}).get('pad_size_divisor', 1)
    if cfg.get('default_scope') == 'mmdet' and all(side % divisor == 0 for side in DETECTION_SHAPE):
        return DETECTION_SHAPE
    test_cfg = cfg.model.get('test_cfg') or {}
    if test_cfg.get('mode') == 'slide':
        return tuple(test_cfg.crop_size)
    shape = image_size(pipeline_of(cfg, 'val_dataloader'))
    if shape is None:
        raise UserError(
            'The pipeline in val_dataloader does not tell the size of the images: give --shape HEIGHT WIDTH.')
    return shape


def cost_of(cfg: Config, shape: tuple[int, int] | None = None) -> Cost:
    """Cost of the model of a config.

    Args:
        cfg (Config): The config.
        shape (tuple[int, int], optional): Height and width, pixels. Defaults to None: as usually quoted.
    """
    proposals = ((cfg.model.get('test_cfg') or {}).get('rpn') or {}).get('max_per_img', 1000)
    channels = (cfg.model.get('backbone') or {}).get('in_channels', 3)
    return count(build(cfg), shape or default_shape(cfg), proposals, channels)
