"""Configs of the benchmark of dense transfer: pre-training, Mask R-CNN and UPerNet, at the size of a preset."""

import functools
from pathlib import Path

import mmcv
from mmengine.config import Config
from mmengine.hub import get_config

from mmsimmim.registry import TRANSFORMS
from tools.benchmarks.transfer.dense_transfer_presets import Preset
from tools.benchmarks.transfer.transfer_configs import LoadImageOnce

PRETRAIN_RUNTIME = Path(__file__).resolve().parents[3] / 'configs' / '_base_' / 'iters_runtime.py'
FLIPS = dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])


@TRANSFORMS.register_module()
class LoadStretchedOnce(LoadImageOnce):
    """Read an image once, and stretch each channel to the whole range, but for its darkest and brightest thousandth.

    Microscopes give images of very different brightness; half of the nuclei set uses less than half of the range.
    """

    def read(self, path: str) -> dict:
        """What is kept of an image."""
        kept = super().read(path)
        return kept | dict(img=mmcv.auto_contrast(kept['img'], cutoff=0.1))


def pretrain_config(preset: Preset, images: Path, work_dir: Path) -> Config:
    """SimMIM on all training images without their labels.

    Args:
        preset (Preset): The size.
        images (Path): The training images.
        work_dir (Path): For logs and checkpoints.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    size = preset.pretrain_size
    pipeline = [
        dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadStretchedOnce'),
        dict(type='RandomResizedCrop', scale=size, crop_ratio_range=preset.pretrain_area, backend='pillow',
             interpolation='bilinear'), FLIPS,
        dict(type='mmsimmim.SimMIMMaskGenerator', input_size=size, mask_patch_size=preset.mask_patch_size,
             model_patch_size=4, mask_ratio=0.6),
        dict(type='PackInputs')]
    cfg = _runtime(Config.fromfile(PRETRAIN_RUNTIME), work_dir)
    cfg.default_hooks.pop('reconstruction')
    cfg.merge_from_dict(dict(
        model=dict(
            type='mmsimmim.SimMIM',
            backbone=_backbone(preset, img_size=size, out_indices=[preset.stages - 1]),
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=preset.channels[-1],
                      encoder_stride=preset.strides[-1]),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')),
            data_preprocessor=_normalisation(preset)),
        train_dataloader=_loader(preset, preset.pretrain_batch, True, dict(
            type='mmsimmim.ImageFolder', data_root=str(images), pipeline=pipeline)),
        train_cfg=dict(type='mmsimmim.IterBasedTrainLoop', max_iters=preset.pretrain_steps),
        **_schedule(preset.pretrain_lr, preset.pretrain_steps, 'bfloat16')))
    cfg.train_dataloader.collate_fn = dict(type='default_collate')
    cfg.optim_wrapper.paramwise_cfg = dict(flat_decay_mult=0.0, custom_keys=dict(mask_token=dict(decay_mult=0.0)))
    tenth = max(1, preset.pretrain_steps // 10)
    cfg.default_hooks.logger.interval = tenth
    cfg.default_hooks.checkpoint.update(interval=tenth, max_keep_ckpts=1)
    return cfg


def det_config(preset: Preset, images: dict[str, Path], annotations: dict[str, Path], classes: list[str],
               **training) -> Config:
    """Mask R-CNN of mmdetection on the same encoder.

    Args:
        preset (Preset): The size.
        images (dict[str, Path]): Folder of the images, by 'train' and 'val'.
        annotations (dict[str, Path]): COCO file likewise.
        classes (list[str]): Names of the categories.
        **training: As :func:`_training` takes it.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    width = preset.det_width
    cfg = _inherit('mmdet::_base_/models/mask-rcnn_r50_fpn.py', 'mmdet::_base_/default_runtime.py')
    cfg.model.neck.update(in_channels=preset.channels, out_channels=width, num_outs=len(preset.strides))
    cfg.model.rpn_head.update(in_channels=width, feat_channels=width)
    cfg.model.rpn_head.anchor_generator.update(scales=[3], strides=preset.strides)
    roi_head = cfg.model.roi_head
    for extractor in (roi_head.bbox_roi_extractor, roi_head.mask_roi_extractor):
        extractor.update(out_channels=width, featmap_strides=preset.strides)
    roi_head.bbox_head.update(in_channels=width, num_classes=len(classes))
    roi_head.mask_head.update(in_channels=width, conv_out_channels=width, num_classes=len(classes))
    cfg.model.test_cfg.rcnn.max_per_img = 150
    cfg.merge_from_dict(dict(model=preset.det_model))
    annotation = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
    crops = [FLIPS, dict(type='RandomCrop', crop_size=(preset.crop_size,) * 2, recompute_bbox=True,
                          allow_negative_crop=True),
             dict(type='FilterAnnotations', min_gt_bbox_wh=(2, 2), keep_empty=False), dict(type='PackDetInputs')]
    meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')

    def dataset(side: str, pipeline: list[dict]) -> dict:
        return dict(type='CocoDataset', metainfo=dict(classes=classes), ann_file=str(annotations[side].resolve()),
                    data_prefix=dict(img=str(images[side])), pipeline=pipeline)

    return _training(
        cfg, preset, preset.det_batch, preset.det_steps,
        train=dataset('train', _whole(preset, [annotation], train=True) + crops),
        val=dict(test_mode=True, **dataset('val', _whole(preset) + [
            annotation, dict(type='PackDetInputs', meta_keys=meta_keys)])),
        evaluator=dict(type='CocoMetric', ann_file=str(annotations['val']), metric=['bbox', 'segm']), **training)


def seg_config(preset: Preset, images: dict[str, Path], labels: dict[str, Path], names: Path, classes: list[str],
               suffix: str, **training) -> Config:
    """UPerNet of mmsegmentation on the same encoder.

    Args:
        preset (Preset): The size.
        images (dict[str, Path]): Folder of the images, by 'train' and 'val'.
        labels (dict[str, Path]): Folder of the label maps likewise.
        names (Path): Which of the training images to use: lines of a name without its suffix.
        classes (list[str]): Names of the classes, in the order of the values in the label maps.
        suffix (str): Of the files of images, with its dot.
        **training: As :func:`_training` takes it.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    cfg = _inherit('mmseg::_base_/models/upernet_swin.py', 'mmseg::_base_/default_runtime.py')
    cfg.model.decode_head.update(in_channels=preset.channels, in_index=list(range(preset.stages)))
    cfg.model.auxiliary_head.update(in_channels=preset.channels[2])
    for head in (cfg.model.decode_head, cfg.model.auxiliary_head):
        head.update(num_classes=len(classes), norm_cfg=dict(type='BN'))
    cfg.merge_from_dict(dict(model=preset.seg_model))
    cfg.model.data_preprocessor.size = (preset.crop_size,) * 2
    annotation = dict(type='LoadAnnotations')
    crops = [FLIPS, dict(type='RandomCrop', crop_size=(preset.crop_size,) * 2), dict(type='PackSegInputs')]

    def dataset(side: str, pipeline: list[dict], **others) -> dict:
        return dict(type='BaseSegDataset', metainfo=dict(classes=classes), img_suffix=suffix, pipeline=pipeline,
                    data_prefix=dict(img_path=str(images[side]), seg_map_path=str(labels[side])), **others)

    return _training(
        cfg, preset, preset.seg_batch, preset.seg_steps,
        train=dataset('train', _whole(preset, [annotation], train=True) + crops, ann_file=str(names.resolve())),
        val=dataset('val', _whole(preset) + [annotation, dict(type='PackSegInputs')]),
        evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']), **training)


def _inherit(*names: str) -> Config:
    cfg = Config()
    for name in names:
        cfg.merge_from_dict(_zoo_config(name).to_dict())
    return cfg


# MMEngine reads all metafiles of a framework to find one config.
_zoo_config = functools.cache(get_config)


def _training(cfg: Config, preset: Preset, batch_size: int, steps: int, train: dict, val: dict, evaluator: dict,
              work_dir: Path, lr: float, seed: int, checkpoint: Path | None) -> Config:
    """What detection and segmentation share."""
    init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.') if checkpoint else None
    cfg = _runtime(cfg, work_dir)
    cfg.model.backbone = _backbone(preset, drop_path_rate=preset.drop_path, out_indices=list(range(preset.stages)),
                                   init_cfg=init_cfg)
    cfg.model.data_preprocessor.update(_normalisation(preset))
    cfg.merge_from_dict(dict(
        custom_imports=dict(imports=['mmsimmim'], allow_failed_imports=False),
        train_dataloader=_loader(preset, batch_size, True, train),
        val_dataloader=_loader(preset, 1, False, val),
        val_evaluator=evaluator,
        val_cfg=dict(type='ValLoop'),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps),
        randomness=dict(seed=seed),
        log_processor=dict(by_epoch=False),
        **_schedule(lr, steps, preset.dtype)))
    cfg.optim_wrapper.paramwise_cfg = dict(flat_decay_mult=0.0)
    if checkpoint:
        cfg.optim_wrapper.constructor = 'mmsimmim.LearningRateDecayOptimWrapperConstructor'
        cfg.optim_wrapper.paramwise_cfg.layer_decay_rate = preset.layer_decay
    cfg.default_hooks = dict(checkpoint=None)  # left out, MMEngine's own would keep every epoch
    cfg.custom_hooks = [dict(type='mmsimmim.SeedStepHook')]
    return cfg


def _runtime(cfg: Config, work_dir: Path) -> Config:
    cfg.merge_from_dict(dict(default_hooks=dict(logger=dict(type='LoggerHook', interval=100))))
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.log_level = 'WARNING'
    return cfg


def _backbone(preset: Preset, **others) -> dict:
    return dict(type='mmsimmim.SwinTransformer', arch=preset.arch, window_size=preset.window_size, **others)


def _normalisation(preset: Preset) -> dict:
    return dict(mean=[preset.mean] * 3, std=[preset.std] * 3, bgr_to_rgb=True)


def _whole(preset: Preset, annotation: list[dict] = (), train: bool = False) -> list[dict]:
    """An upscaled image, with its labels, if any."""
    start = [dict(type='mmsimmim.SeedSample')] if train else []
    resize = dict(type='Resize', scale_factor=float(preset.enlarge), keep_ratio=True)
    return start + [dict(type='mmsimmim.LoadStretchedOnce'), *annotation, resize]


def _loader(preset: Preset, batch_size: int, train: bool, dataset: dict) -> dict:
    sampler = dict(type='mmsimmim.SeededInfiniteSampler') if train else dict(type='DefaultSampler', shuffle=False)
    return dict(batch_size=batch_size, num_workers=preset.num_workers, persistent_workers=preset.num_workers > 0,
                sampler=sampler, dataset=dataset)


def _schedule(lr: float, steps: int, dtype: str | None) -> dict:
    autocast = dict(type='AmpOptimWrapper', dtype=dtype, loss_scale=1.0) if dtype else dict(type='OptimWrapper')
    return dict(
        optim_wrapper=dict(
            clip_grad=dict(max_norm=5.0), optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.05),
            **autocast),
        param_scheduler=dict(type='mmsimmim.WarmupCosineLR', warmup=steps // 10, end=steps, warmup_ratio=0.01,
                             min_ratio=0.01, by_epoch=False))
