"""Small images with rectangles of three classes, as a COCO file and as label maps, and configs that train on them."""

import json
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config

from tests.downstream.stock_models import DETECTOR, NUM_CLASSES, model_config

SIZE = 64
CLASSES = ('red', 'green', 'blue')


def write_data(folder: Path, number: int = 4) -> None:
    """Write ``images/*.png``, ``labels/*.png`` (255: none of the classes) and ``instances.json``."""
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    pictures, instances = [], []
    for index in range(number):
        image = np.full((SIZE, SIZE, 3), 60, np.uint8)
        labels = np.full((SIZE, SIZE), 255, np.uint8)
        for category in range(NUM_CLASSES):
            x, y, width, height = 20 * category + 2, 4 + 8 * index, 16, 24
            image[y:y + height, x:x + width, 2 - category] = 220
            labels[y:y + height, x:x + width] = category
            outline = [x, y, x + width, y, x + width, y + height, x, y + height]
            instances.append(dict(id=len(instances) + 1, image_id=index, category_id=category + 1, iscrowd=0,
                                  bbox=[x, y, width, height], area=width * height, segmentation=[outline]))
        cv2.imwrite(str(folder / 'images' / f'{index}.png'), image)
        cv2.imwrite(str(folder / 'labels' / f'{index}.png'), labels)
        pictures.append(dict(id=index, file_name=f'{index}.png', height=SIZE, width=SIZE))
    categories = [dict(id=index + 1, name=name) for index, name in enumerate(CLASSES)]
    (folder / 'instances.json').write_text(json.dumps(dict(images=pictures, annotations=instances,
                                                           categories=categories)))


def write_config(framework: str, backbone: dict, channels: list[int], folder: Path, **settings: object) -> str:
    """Write a config of the stock model around a backbone: two epochs of two steps on :func:`write_data`'s images.

    The backbone's weights stay as they are, and all else is trained.
    """
    read = dict(mmdet=_coco, mmseg=_label_maps)[framework](folder)
    cfg = Config(dict(
        default_scope=framework,
        custom_imports=dict(imports=['mmsimmim'], allow_failed_imports=False),
        model=model_config(framework, backbone, channels),
        train_dataloader=dict(batch_size=2, num_workers=0, dataset=read(True),
                              sampler=dict(type='DefaultSampler', shuffle=True)),
        **{f'{kind}_dataloader': dict(batch_size=1, num_workers=0, dataset=read(False),
                                      sampler=dict(type='DefaultSampler', shuffle=False)) for kind in ('val', 'test')},
        **{f'{kind}_evaluator': dict(mmdet=dict(type='CocoMetric', ann_file=str(folder / 'instances.json')),
                                     mmseg=dict(type='IoUMetric'))[framework] for kind in ('val', 'test')},
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=10),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        test_pipeline=read(False)['pipeline'],
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3),
                           paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.)))),
        default_hooks=dict(checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1)),
        visualizer=dict(type='DetLocalVisualizer' if framework == DETECTOR else 'SegLocalVisualizer',
                        vis_backends=[dict(type='LocalVisBackend')]),
        randomness=dict(seed=0),
        **settings))
    path = folder / f'{framework}.py'
    cfg.dump(path)
    return str(path)


def _coco(folder: Path):
    pack = dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(SIZE, SIZE), keep_ratio=True),
                dict(type='LoadAnnotations', with_bbox=True, with_mask=True), pack]

    def read(training: bool) -> dict:
        return dict(type='CocoDataset', ann_file=str(folder / 'instances.json'), test_mode=not training,
                    serialize_data=False, data_prefix=dict(img=str(folder / 'images')),
                    metainfo=dict(classes=CLASSES), pipeline=pipeline)

    return read


def _label_maps(folder: Path):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]

    def read(training: bool) -> dict:
        return dict(type='BaseSegDataset', img_suffix='.png', seg_map_suffix='.png', test_mode=not training,
                    serialize_data=False,
                    data_prefix=dict(img_path=str(folder / 'images'), seg_map_path=str(folder / 'labels')),
                    metainfo=dict(classes=CLASSES, palette=[[255, 0, 0], [0, 255, 0], [0, 0, 255]]), pipeline=pipeline)

    return read
