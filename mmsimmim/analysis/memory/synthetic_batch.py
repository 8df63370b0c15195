"""Synthetic batches, to measure memory and time of a training step without data."""

from typing import Any

import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import Tensor, nn

from ...errors import UserError

OBJECTS = 10  # in an image; in COCO there are seven or eight on average


def synthetic_batch(model: nn.Module, scope: str, shape: tuple[int, int], num_images: int) -> dict[str, Any]:
    """Images and labels as a data loader returns them.

    Detection: ten objects, boxes and masks, in each image, and random classes of pixels if there is a semantic branch.
    Segmentation: a random class for each pixel. Pre-training: 60 % masked. Classification: the first class.

    Args:
        model (nn.Module): The model to train.
        scope (str): ``default_scope`` of its config: ``'mmdet'``, ``'mmseg'`` or ``'mmpretrain'``.
        shape (tuple[int, int]): Height and width, pixels.
        num_images (int): Images in the batch.

    Returns:
        dict: ``inputs``, uint8 images (C, H, W) in a list, or stacked for mmpretrain, and ``data_samples``, for the
        model's data preprocessor.

    Raises:
        UserError: If the scope is none of these.
    """
    makers = dict(mmdet=_detection_sample, mmseg=_segmentation_sample, mmpretrain=_sample)
    if scope not in makers:
        raise UserError(f'default_scope {scope!r} is none of {", ".join(makers)}, for which batches can be made up.')
    channels = getattr(model.backbone, 'in_channels', 3)
    images = torch.randint(256, (num_images, channels, *shape), dtype=torch.uint8)
    samples = [makers[scope](model, shape) for _ in range(num_images)]
    # as the collate functions of the three frameworks
    return dict(inputs=images if scope == 'mmpretrain' else list(images), data_samples=samples)


def set_synthetic_proposals(model: nn.Module, batch: dict[str, Any]) -> None:
    """Let the first stage of a detector propose as it does after some training: half on objects, half elsewhere.

    Random weights find no objects, and masks are predicted for positive proposals only.

    Args:
        model (nn.Module): A detector with a region proposal network; changed in place.
        batch (dict): A batch of :func:`synthetic_batch`, the only one that the model can then see.
    """
    number = model.train_cfg.rpn_proposal.max_per_img
    boxes = [_proposals(sample, number) for sample in batch['data_samples']]

    def propose(scores: list[Tensor], *args: Any, **kwargs: Any) -> list[InstanceData]:
        found = [proposals.to(scores[0].device) for proposals in boxes]
        return [InstanceData(bboxes=own, scores=own.new_ones(len(own)), labels=torch.zeros_like(own[:, 0]).long())
                for own in found]

    model.rpn_head.predict_by_feat = propose


def _proposals(sample: BaseDataElement, number: int) -> Tensor:
    """Boxes (number, 4): objects moved by up to 5 % of their size, and boxes anywhere."""
    height, width = sample.img_shape
    objects = sample.gt_instances.bboxes
    objects = objects[torch.arange(number // 2) % len(objects)]
    size = (objects[:, 2:] - objects[:, :2]).repeat(1, 2)
    on_objects = objects + size * (0.1 * torch.rand(objects.shape) - 0.05)
    corners = torch.rand(number - len(on_objects), 2, 2).sort(dim=1).values * torch.tensor([width, height])
    return torch.cat([on_objects, corners.flatten(1)])


def _detection_sample(model: nn.Module, shape: tuple[int, int]) -> BaseDataElement:
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    height, width = shape
    size = torch.tensor([width, height])
    first = torch.rand(OBJECTS, 2) * 0.7 * size
    boxes = torch.cat([first, first + (0.05 + 0.25 * torch.rand(OBJECTS, 2)) * size], dim=1)
    masks = torch.zeros(OBJECTS, height, width, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.long().tolist()):
        mask[top:bottom + 1, left:right + 1] = 1
    objects = InstanceData(bboxes=boxes, labels=torch.zeros(OBJECTS, dtype=torch.long),
                           masks=BitmapMasks(masks.numpy(), height, width))
    sample = DetDataSample(gt_instances=objects, metainfo=_metainfo(shape))
    if getattr(getattr(model, 'roi_head', None), 'with_semantic', False):  # HTC's branch
        classes = torch.randint(model.roi_head.semantic_head.num_classes, (1, *shape))
        sample.gt_sem_seg = PixelData(sem_seg=classes)
    return sample


def _segmentation_sample(model: nn.Module, shape: tuple[int, int]) -> BaseDataElement:
    from mmseg.structures import SegDataSample
    classes = torch.randint(model.decode_head.num_classes, (1, *shape))
    return SegDataSample(gt_sem_seg=PixelData(data=classes), metainfo=_metainfo(shape))


def _sample(model: nn.Module, shape: tuple[int, int]) -> BaseDataElement:
    from mmpretrain.structures import DataSample
    sample = DataSample(metainfo=_metainfo(shape))
    if hasattr(model.backbone, 'mask_token'):
        patch = model.backbone.patch_embed.projection.kernel_size
        sample.mask = torch.rand(shape[0] // patch[0], shape[1] // patch[1]) < 0.6
    else:
        sample.set_gt_label(0)
    return sample


def _metainfo(shape: tuple[int, int]) -> dict:
    return dict(img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape, scale_factor=(1., 1.),
                flip=False)
