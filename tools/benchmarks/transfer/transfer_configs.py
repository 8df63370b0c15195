"""Configs of the transfer benchmark: one for pre-training, one for fine-tuning, at the size of a preset."""

from pathlib import Path

from mmengine.config import Config

from mmsimmim.datasets.transforms import LoadImage
from mmsimmim.registry import TRANSFORMS
from tools.benchmarks.transfer.transfer_presets import Preset

RUNTIME = Path(__file__).resolve().parents[3] / 'configs' / '_base_' / 'default_runtime.py'
NORMALISATION = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


@TRANSFORMS.register_module()
class LoadImageOnce(LoadImage):
    """:class:`mmsimmim.LoadImage` that keeps what it has decoded: for datasets that fit into memory."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, dict] = {}

    def transform(self, results: dict) -> dict:
        """Add the image."""
        path = results['img_path']
        if path not in self.kept:
            self.kept[path] = self.read(path)
        return results | self.kept[path]

    def read(self, path: str) -> dict:
        """What is kept of an image: ``img``, ``img_shape`` and ``ori_shape`` of :class:`mmsimmim.LoadImage`."""
        loaded = super().transform(dict(img_path=path))
        return {key: loaded[key] for key in ('img', 'img_shape', 'ori_shape')}


def pretrain_config(preset: Preset, train: Path, val: Path, work_dir: Path) -> Config:
    """SimMIM on all training images without their labels; probes on frozen features.

    Args:
        preset (Preset): The size.
        train (Path): Training images, a folder per class.
        val (Path): Validation images likewise.
        work_dir (Path): For logs and checkpoints.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    size = preset.img_size
    stride = 4 * 2**(preset.stages - 1)
    mask = dict(type='mmsimmim.SimMIMMaskGenerator', input_size=size, mask_patch_size=preset.mask_patch_size,
                model_patch_size=4, mask_ratio=0.6)
    crops = _crops(size, 0.67)
    whole = _whole(size)
    cfg = _runtime(work_dir)
    cfg.merge_from_dict(dict(
        model=dict(
            type='mmsimmim.SimMIM',
            backbone=_backbone(preset, drop_path_rate=0.0),
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=_channels(preset), encoder_stride=stride),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')),
            data_preprocessor=dict(**NORMALISATION, bgr_to_rgb=True)),
        train_dataloader=_loader(preset, preset.pretrain_batch, train=True, dataset=dict(
            type='mmsimmim.ImageFolder', data_root=str(train), pipeline=crops + [mask, dict(type='PackInputs')])),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=preset.pretrain_epochs),
        custom_hooks=[dict(
            type='mmsimmim.FeatureProbeHook', train=str(train), val=str(val), interval=preset.probe_interval,
            at_start=True, num_workers=preset.num_workers, pipeline=whole + [dict(type='PackInputs')])],
        **_schedule(preset, preset.pretrain_lr, warmup=preset.pretrain_epochs / 20)))
    cfg.optim_wrapper.paramwise_cfg = dict(flat_decay_mult=0.0, custom_keys=dict(mask_token=dict(decay_mult=0.0)))
    cfg.default_hooks.checkpoint.update(interval=preset.probe_interval, max_keep_ckpts=1)
    return cfg


def finetune_config(preset: Preset, train: Path, val: Path, work_dir: Path, annotations: Path, classes: list[str],
                    epochs: int, lr: float, seed: int, checkpoint: Path | None) -> Config:
    """The same encoder with a linear classifier on its averaged last map, all of it trained.

    Args:
        preset (Preset): The size.
        train (Path): Training images, a folder per class.
        val (Path): Validation images likewise.
        work_dir (Path): For logs.
        annotations (Path): Which of the training images to use: lines of a path below ``train`` and a label.
        classes (list[str]): Names of the classes.
        epochs (int): Length of the training.
        lr (float): Peak learning rate.
        seed (int): Of the initialisation, the order of images and their crops.
        checkpoint (Path, optional): Of the pre-training; None starts at random.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    size = preset.img_size
    labelled = dict(type='CustomDataset', metainfo=dict(classes=classes))
    init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.') if checkpoint else None
    cfg = _runtime(work_dir)
    cfg.merge_from_dict(dict(
        model=dict(
            type='ImageClassifier',
            backbone=_backbone(preset, drop_path_rate=preset.drop_path, init_cfg=init_cfg),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=len(classes), in_channels=_channels(preset),
                      loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1, mode='original')),
            data_preprocessor=dict(**NORMALISATION, to_rgb=True, num_classes=len(classes))),
        train_dataloader=_loader(preset, preset.finetune_batch, train=True, dataset=dict(
            data_root=str(train), ann_file=str(annotations.resolve()),
            pipeline=_crops(size, 0.35) + [dict(type='PackInputs')], **labelled)),
        val_dataloader=_loader(preset, 64, train=False, dataset=dict(
            data_root=str(val), test_mode=True, pipeline=_whole(size) + [dict(type='PackInputs')], **labelled)),
        val_evaluator=dict(type='Accuracy', topk=1),
        val_cfg=dict(),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs),
        randomness=dict(seed=seed),
        **_schedule(preset, lr, warmup=epochs / 10)))
    cfg.optim_wrapper.paramwise_cfg = dict(flat_decay_mult=0.0)
    if checkpoint:
        cfg.optim_wrapper.constructor = 'mmsimmim.LearningRateDecayOptimWrapperConstructor'
        cfg.optim_wrapper.paramwise_cfg.layer_decay_rate = preset.layer_decay
    cfg.default_hooks.checkpoint = None  # left out, MMEngine's own would keep every epoch
    return cfg


def _runtime(work_dir: Path) -> Config:
    cfg = Config.fromfile(RUNTIME)
    cfg.default_hooks.pop('reconstruction')
    cfg.default_hooks.logger.interval = 1000
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.log_level = 'WARNING'
    return cfg


def _backbone(preset: Preset, **others) -> dict:
    return dict(type='mmsimmim.SwinTransformer', arch=preset.arch, img_size=preset.img_size,
                window_size=preset.window_size, out_indices=[preset.stages - 1], **others)


def _channels(preset: Preset) -> int:
    embed_dims = 96 if preset.arch == 'tiny' else preset.arch['embed_dims']
    return embed_dims * 2**(preset.stages - 1)


def _crops(size: int, smallest: float) -> list[dict]:
    return [dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadImageOnce'),
            dict(type='RandomResizedCrop', scale=size, crop_ratio_range=(smallest, 1.0), backend='pillow',
                 interpolation='bilinear'),
            dict(type='RandomFlip', prob=0.5)]


def _whole(size: int) -> list[dict]:
    return [dict(type='mmsimmim.LoadImageOnce'),
            dict(type='ResizeEdge', scale=size, edge='short', backend='pillow', interpolation='bilinear'),
            dict(type='CenterCrop', crop_size=size)]


def _loader(preset: Preset, batch_size: int, train: bool, dataset: dict) -> dict:
    sampler = dict(type='mmsimmim.SeededSampler', shuffle=True) if train else dict(type='DefaultSampler', shuffle=False)
    return dict(batch_size=batch_size, num_workers=preset.num_workers, persistent_workers=preset.num_workers > 0,
                sampler=sampler, collate_fn=dict(type='default_collate'), drop_last=False, dataset=dataset)


def _schedule(preset: Preset, lr: float, warmup: float) -> dict:
    return dict(
        optim_wrapper=dict(
            type='AmpOptimWrapper', dtype=preset.dtype, loss_scale=1.0, clip_grad=dict(max_norm=5.0),
            optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.05)),
        param_scheduler=dict(type='mmsimmim.WarmupCosineLR', warmup=warmup, warmup_ratio=0.01, min_ratio=0.01,
                             convert_to_iter_based=True))
