"""The two sizes of the benchmark of dense transfer, and what it measures."""

from dataclasses import dataclass

# By task: measures of the validation images; the last one chooses the learning rate.
MEASURES = dict(det={'box AP': 'coco/bbox_mAP', 'mask AP': 'coco/segm_mAP'}, seg={'mIoU': 'mIoU'})


@dataclass(frozen=True)
class Preset:
    """Everything the size decides.

    Args:
        arch (str | dict): Of the Swin Transformer.
        stages (int): Of it; the last has ``4 * 2**(stages - 1)`` pixels a token.
        window_size (int): Its window, tokens, in pre-training and later.
        mean (float): Of all channels of the stretched images, grey levels.
        std (float): Standard deviation likewise.
        pretrain_size (int): Side of the crops of the pre-training, pixels.
        pretrain_area (tuple[float, float]): The share of an image that such a crop shows.
        mask_patch_size (int): Side of a masked patch, pixels.
        pretrain_steps (int): Length of the pre-training.
        pretrain_batch (int): Crops a step of it.
        pretrain_lr (float): Its peak learning rate.
        enlarge (int): Factor by which images are upscaled for detection and segmentation.
        crop_size (int): Side of the crops of the upscaled images, pixels. Validation images are not cropped.
        percents (tuple[int]): Shares of the labels.
        det_steps (int): Length of the training of Mask R-CNN, the same for every share of the labels.
        det_batch (int): Crops a step of it.
        det_width (int): Channels of its pyramid and heads.
        det_model (dict): What else differs from mmdetection's Mask R-CNN.
        seg_steps (int): Length of the training of UPerNet, likewise.
        seg_batch (int): Crops a step of it.
        seg_model (dict): What differs from mmsegmentation's UPerNet.
        lrs (dict[str, tuple[float]]): Peak learning rates that each start tries, by task.
        layer_decay (float): Of detection and segmentation from the pre-trained network; random ones have none.
        drop_path (float): In detection and segmentation.
        dtype (str, optional): Of autocast in detection and segmentation; the pre-training has bfloat16.
        num_workers (int): Processes that read images.
    """

    arch: str | dict
    stages: int
    window_size: int
    mean: float
    std: float
    pretrain_size: int
    pretrain_area: tuple[float, float]
    mask_patch_size: int
    pretrain_steps: int
    pretrain_batch: int
    pretrain_lr: float
    enlarge: int
    crop_size: int
    percents: tuple[int, ...]
    det_steps: int
    det_batch: int
    det_width: int
    det_model: dict
    seg_steps: int
    seg_batch: int
    seg_model: dict
    lrs: dict[str, tuple[float, ...]]
    layer_decay: float
    drop_path: float
    dtype: str | None
    num_workers: int

    @property
    def channels(self) -> list[int]:
        """Of the maps of all stages."""
        first = 96 if self.arch == 'tiny' else self.arch['embed_dims']
        return [first * 2**stage for stage in range(self.stages)]

    @property
    def strides(self) -> list[int]:
        """Pixels a token of all stages."""
        return [4 * 2**stage for stage in range(self.stages)]


LRS = (3e-4, 1e-3, 3e-3, 1e-2)
PRESETS = {
    'cpu': Preset(
        arch=dict(embed_dims=32, depths=[2, 2, 4], num_heads=[2, 4, 8]), stages=3, window_size=4, mean=50.0, std=80.0,
        pretrain_size=128, pretrain_area=(0.15, 0.4), mask_patch_size=16, pretrain_steps=3000,
        pretrain_batch=16, pretrain_lr=1e-3, enlarge=1, crop_size=128, percents=(10, 30, 100), det_steps=150,
        det_batch=2, det_width=48,
        det_model=dict(
            roi_head=dict(bbox_head=dict(fc_out_channels=128), mask_head=dict(num_convs=2)),
            train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=200), rcnn=dict(sampler=dict(num=64))),
            test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=300))),
        seg_steps=150, seg_batch=4,
        seg_model=dict(
            decode_head=dict(channels=48, norm_cfg=dict(type='GN', num_groups=8)), auxiliary_head=None),
        lrs=dict(det=LRS, seg=LRS), layer_decay=0.85, drop_path=0.0, dtype=None, num_workers=0),
    'gpu': Preset(
        arch='tiny', stages=4, window_size=6, mean=50.0, std=80.0, pretrain_size=192, pretrain_area=(0.15, 0.5),
        mask_patch_size=32, pretrain_steps=10_000, pretrain_batch=256, pretrain_lr=5e-4, enlarge=2,
        crop_size=512, percents=(10, 30, 100), det_steps=3000, det_batch=16, det_width=256, det_model={},
        seg_steps=3000, seg_batch=16, seg_model={}, lrs=dict(det=LRS, seg=LRS), layer_decay=0.85, drop_path=0.1,
        dtype='bfloat16', num_workers=12),
}
