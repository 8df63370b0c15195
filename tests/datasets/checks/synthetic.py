"""Small datasets without a fault, and configs that read them."""

import json

import numpy as np
from mmengine.config import Config
from PIL import Image

WIDTH, HEIGHT = 40, 30
SPLITS = dict(train=4, val=2)


def write_image(path, seed, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


# ---- COCO


def annotation(number, image, category, box, **extra):
    x, y, width, height = box
    polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    return dict(id=number, image_id=image, category_id=category, bbox=list(box), area=width * height, iscrowd=0,
                segmentation=[polygon]) | extra


def run_lengths(x, y, width, height):
    """Of a rectangle, column by column."""
    before = x * HEIGHT + y
    counts = [before, height] + [HEIGHT - height, height] * (width - 1)
    return dict(size=[HEIGHT, WIDTH], counts=[*counts, WIDTH * HEIGHT - sum(counts)])


def coco(first, number):
    """Two categories, whose ids do not count from 0; three annotations in each image, the last one of a crowd."""
    images = [dict(id=first + i, file_name=f'{first + i}.png', width=WIDTH, height=HEIGHT) for i in range(number)]
    annotations = []
    for i, image in enumerate(images):
        annotations += [
            annotation(3 * i + 1, image['id'], 3, (1, 2, 10, 8)),
            annotation(3 * i + 2, image['id'], 7, (12.5, 3.25, 9, 7), segmentation=run_lengths(12, 3, 9, 7)),
            annotation(3 * i + 3, image['id'], 7, (20, 10, 15, 12), segmentation=run_lengths(20, 10, 15, 12),
                       iscrowd=1)]
    return dict(images=images, annotations=annotations,
                categories=[dict(id=3, name='cat', supercategory=[]), dict(id=7, name='dog')])


class CocoFolder:
    """Annotation files that can be changed, and the config of both."""

    def __init__(self, root):
        self.root = root
        for i, (split, number) in enumerate(SPLITS.items()):
            content = coco(100 * i, number)
            self.write(split, content)
            for image in content['images']:
                write_image(root / split / image['file_name'], image['id'])

    def read(self, split):
        return json.loads((self.root / f'{split}.json').read_text())

    def write(self, split, content):
        (self.root / f'{split}.json').write_text(json.dumps(content))

    def config(self, **changes):
        datasets = {split: dict(
            type='CocoDataset', data_root=f'{self.root}/', metainfo=dict(classes=('cat', 'dog')),
            ann_file=f'{split}.json', data_prefix=dict(img=f'{split}/'),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)])
            for split in SPLITS}
        datasets['train']['filter_cfg'] = dict(filter_empty_gt=True, min_size=16)
        datasets['val']['test_mode'] = True
        evaluator = dict(type='CocoMetric', ann_file=f'{self.root}/val.json', metric=['bbox', 'segm'])
        heads = dict(bbox_head=dict(type='Shared2FCBBoxHead', num_classes=2),
                     mask_head=dict(type='FCNMaskHead', num_classes=2))
        cfg = Config(dict(
            default_scope='mmdet',
            model=dict(type='MaskRCNN', rpn_head=dict(type='RPNHead', num_classes=1), roi_head=heads),
            train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=datasets['train'])),
            val_dataloader=dict(dataset=datasets['val']), val_evaluator=evaluator,
            test_dataloader=dict(dataset=datasets['val']), test_evaluator=evaluator))
        cfg.merge_from_dict(changes)
        return cfg


# ---- label maps


class PairFolder:
    """Images and label maps of 0 = ground, 1 = car, 2 = tree, and their config."""

    def __init__(self, root):
        self.root = root
        for i, (split, number) in enumerate(SPLITS.items()):
            for j in range(number):
                write_image(root / 'images' / split / f'{j}.jpg', 100 * i + j)
                self.write(f'{split}/{j}.png', self.labels())

    @staticmethod
    def labels():
        labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        labels[:10], labels[10:15], labels[-3:] = 1, 2, 255
        return labels

    def write(self, name, labels):
        path = self.root / 'labels' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (labels if isinstance(labels, Image.Image) else Image.fromarray(labels)).save(path)

    def config(self, **changes):
        datasets = {split: dict(
            type='BaseSegDataset', data_root=str(self.root), metainfo=dict(classes=('ground', 'car', 'tree')),
            data_prefix=dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]) for split in SPLITS}
        head = dict(type='FCNHead', channels=8, num_classes=3)
        cfg = Config(dict(
            default_scope='mmseg',
            model=dict(type='EncoderDecoder', decode_head=head, auxiliary_head=[head]),
            train_dataloader=dict(dataset=datasets['train']),
            val_dataloader=dict(dataset=datasets['val']), val_evaluator=dict(type='IoUMetric'),
            test_dataloader=dict(dataset=datasets['val']), test_evaluator=dict(type='IoUMetric')))
        cfg.merge_from_dict(changes)
        return cfg


def findings(report, *levels):
    """All texts, or those of some levels."""
    return [text for section in report.sections for level, text in section.findings if not levels or level in levels]
