"""Shipped configs of every family, small enough to train two steps and validate in about a second."""

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from mmsimmim.commands.config.options import SWITCHES, sections
from mmsimmim.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
FAMILIES = {
    'pre-training, Swin': 'pretrain/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py',
    'pre-training, Swin V2': 'pretrain/simmim_swinv2-base-w12_16xb128-amp-steplr-800e_in1k-192px.py',
    'pre-training, ViT': 'pretrain/simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px.py',
    'pre-training, data scaling':
        'pretrain/data_scaling/simmim_swinv2-base-w12_16xb128-amp-steplr-125k_in1k-10pct-192px.py',
    'pre-training, FSDP': 'pretrain/simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-125k_in1k-192px.py',
    'classifier, Swin': 'cls/swin-tiny-w7_1xb128-amp-coslr-100e_folder-224px_simmim-100e.py',
    'classifier, ViT': 'cls/vit-base-p16_1xb64-amp-coslr-100e_folder-224px_simmim-800e.py',
    'Mask R-CNN': 'det/mask-rcnn_swin-tiny-w7-fpn_1xb2-amp-ms-crop-3x_custom_simmim-100e.py',
    'Cascade Mask R-CNN': 'det/cascade-mask-rcnn_swin-base-w7-fpn_8xb2-amp-ms-crop-3x_coco_simmim-800e.py',
    'HTC': 'det/htc_swinv2-large-w32-fpn_64xb1-amp-lsj-3x_coco-1536px_simmim-800e.py',
    'UPerNet': 'seg/upernet_swin-tiny-w7_1xb4-amp-40k_folder-512px_simmim-100e.py',
    'UPerNet, ViT': 'seg/upernet_vit-base-p16_8xb2-amp-160k_ade20k-512px_simmim-800e.py',
}
SWIN = dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2])
VIT = dict(embed_dims=8, num_layers=12, num_heads=2, feedforward_channels=16)
NAMES = ('cell', 'nucleus', 'debris')
# Widths of heads, and numbers of boxes.
SMALL = dict(out_channels=16, in_channels=16, feat_channels=16, conv_out_channels=16, fc_out_channels=16, channels=16,
             max_per_img=5, nms_pre=20, num=16, num_shared_fcs=1, num_convs=1, embed_dim=8)
DIVISOR = 8  # of the images of detectors and segmentors


def write_config(family: str, folder: Path) -> Path:
    """Write a family's config and its data into a folder, unless they are there.

    Returns:
        Path: The config, in one file that inherits from none.
    """
    path = folder / f'{family.replace(", ", "_").replace(" ", "_").lower()}.py'
    if not path.exists():
        cfg = Config.fromfile(CONFIGS / FAMILIES[family])
        images = folder / 'data'
        if not images.exists():
            _write_data(images)
        _shrink(cfg, images)
        _write_start(cfg, path.with_suffix('.pth'))
        settings = {name: value for name, value in cfg.to_dict().items() if _is_read(name)}
        path.write_text(''.join(f'{name} = {value!r}\n' for name, value in settings.items()))
    return path


def _is_read(name: str) -> bool:
    return name in sections() | SWITCHES | {'auto_scale_lr'}


def _shrink(cfg: Config, data: Path) -> None:
    backbone, loaders = cfg.model.backbone, [cfg[f'{side}_dataloader'] for side in ('train', 'val', 'test')
                                             if cfg.get(f'{side}_dataloader')]
    vit = backbone.type == 'mmsimmim.VisionTransformer'
    extra = dict(extra_norm_every_n_blocks=2) if backbone.arch in ('huge', 'giant') else {}
    backbone.arch = VIT if vit else {**SWIN, **extra}
    widths = [8] * 4 if vit else [8, 16, 32, 64]
    dict(mmpretrain=_shrink_mmpretrain, mmdet=_shrink_mmdet, mmseg=_shrink_mmseg)[cfg.default_scope](cfg, widths, data)
    for loader in loaders:
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.indices = 4 if loader is cfg.train_dataloader else 2
    cfg.train_cfg.update(dict(max_iters=2, val_interval=2) if 'max_iters' in cfg.train_cfg else
                         dict(max_epochs=1, val_interval=1))
    cfg.work_dir = 'work'
    cfg.load_from = None


def _shrink_mmpretrain(cfg: Config, widths: list[int], data: Path) -> None:
    simmim = cfg.model.type == 'mmsimmim.SimMIM'
    cfg.model['neck' if simmim else 'head'].in_channels = widths[-1]
    for side in ('train', 'val', 'test'):
        if cfg.get(f'{side}_dataloader'):
            cfg[f'{side}_dataloader'].dataset.data_root = str(data / 'classes')
    if not simmim:
        cfg.model.head.num_classes = cfg.data_preprocessor.num_classes = 3
    cfg.param_scheduler.update(warmup=0)


def _shrink_mmdet(cfg: Config, widths: list[int], data: Path) -> None:
    _shrink_parts(cfg.model)
    for part in _parts(cfg.model.roi_head):
        if 'num_classes' in part:
            part.num_classes = len(NAMES)
    cfg.model.neck.in_channels = widths[-len(cfg.model.neck.in_channels):]
    for augment in cfg.model.data_preprocessor.get('batch_augments', []):
        augment.size = (64, 64)
    for side in ('train', 'val', 'test'):
        dataset = cfg[f'{side}_dataloader'].dataset
        dataset.update(data_root=str(data), metainfo=dict(classes=NAMES), ann_file='instances.json',
                       data_prefix=dict(img='images/'))
        _shrink_pipeline(dataset.pipeline)
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = str(data / 'instances.json')


def _shrink_mmseg(cfg: Config, widths: list[int], data: Path) -> None:
    _shrink_parts(cfg.model)
    cfg.model.data_preprocessor.size = (64, 64)
    cfg.model.decode_head.update(in_channels=widths, num_classes=len(NAMES), norm_cfg=dict(type='BN'))
    cfg.model.auxiliary_head.update(in_channels=widths[2], num_classes=len(NAMES), norm_cfg=dict(type='BN'))
    if 'img_size' in cfg.model.backbone:
        cfg.model.backbone.img_size = 64
    cfg.model.test_cfg.update({key: (64, 64) for key in ('crop_size', 'stride') if key in cfg.model.test_cfg})
    for side in ('train', 'val', 'test'):
        dataset = cfg[f'{side}_dataloader'].dataset
        dataset.update(type='BaseSegDataset', data_root=str(data), metainfo=dict(classes=NAMES), img_suffix='.png',
                       seg_map_suffix='.png', data_prefix=dict(img_path='images', seg_map_path='labels'),
                       reduce_zero_label=False)
        _shrink_pipeline(dataset.pipeline)
        for step in dataset.pipeline:
            if step.type == 'LoadAnnotations':
                step.pop('reduce_zero_label', None)
    cfg.param_scheduler[0].end = cfg.param_scheduler[1].begin = 1


def _parts(node: object) -> list[dict]:
    """All dictionaries in a section."""
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ()
    return [node] * isinstance(node, dict) + [part for value in inside for part in _parts(value)]


def _shrink_parts(model: Config) -> None:
    for part in _parts({key: value for key, value in model.items() if key != 'backbone'}):
        part.update({key: SMALL[key] for key, value in part.items() if key in SMALL and isinstance(value, int)})


def _shrink_pipeline(steps: list[dict]) -> None:
    def smaller(size: tuple[int, int]) -> tuple[int, int]:
        return tuple(max(pixels // DIVISOR, 48) for pixels in size)

    for step in steps:
        step.update({key: smaller(step[key]) for key in ('scale', 'crop_size') if key in step})
        if 'scales' in step:
            step.scales = [smaller(size) for size in step.scales]
        for choice in step.get('transforms', []):
            _shrink_pipeline(choice if isinstance(choice, list) else [choice])


def _write_start(cfg: Config, file: Path) -> None:
    """What the model starts from, with the encoder's drawn weights."""
    backbone = cfg.model.backbone
    if backbone.pop('init_cfg', None):
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            weights = MODELS.build(backbone).state_dict()
        torch.save(dict(state_dict={f'backbone.{name}': value for name, value in weights.items()}), file)
        backbone.init_cfg = dict(type='Pretrained', checkpoint=str(file))


def _write_data(folder: Path) -> None:
    """Six images, in folders of classes, as COCO and with label maps."""
    generator = np.random.default_rng(0)
    objects = []
    for index in range(6):
        pixels = generator.integers(0, 256, (56, 72, 3), np.uint8)
        labels = np.zeros((56, 72), np.uint8)
        for label in (1, 2):
            x, y, side = 4 + 28 * (label - 1), 4 + 3 * index, 24
            pixels[y:y + side, x:x + side] = 80 * label
            labels[y:y + side, x:x + side] = label
            outline = [x, y, x + side, y, x + side, y + side, x, y + side]
            objects.append(dict(id=len(objects) + 1, image_id=index, category_id=label + 1, iscrowd=0, area=side**2,
                                bbox=[x, y, side, side], segmentation=[outline]))
        image = Image.fromarray(pixels)
        for path in (f'images/{index}', *(f'classes/{side}/{NAMES[index % 3]}/{index}' for side in ('train', 'val'))):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            image.save(folder / f'{path}.png')
        (folder / 'labels').mkdir(exist_ok=True)
        Image.fromarray(labels).save(folder / 'labels' / f'{index}.png')
    images = [dict(id=index, file_name=f'{index}.png', height=56, width=72) for index in range(6)]
    categories = [dict(id=index, name=name) for index, name in enumerate(NAMES, start=1)]
    (folder / 'instances.json').write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))
