"""The shipped detection configs: recipe, what each parameter learns at, one real step and one prediction of each."""

import copy
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.registry import DATASETS, METRICS, MODELS
from tests.configs.downstream import (
    build_without_memory,
    depth_in_swin,
    settings,
    shrink_pipeline,
    watch_gradients,
    write_start,
    writer_of,
)
from tests.configs.inferencers import check_detector

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'det'
CONFIGS = sorted(FOLDER.glob('*.py'))
SHIPPED = [path for path in CONFIGS if '_custom_' not in path.stem]
OWN = [path for path in CONFIGS if '_custom_' in path.stem]
SWIN = 'mask-rcnn_swin-base-w7-fpn_8xb2-amp-1x_coco_simmim-800e.py'
SWIN_CROP = 'mask-rcnn_swin-base-w7-fpn_8xb2-amp-ms-crop-3x_coco_simmim-800e.py'
SWIN_LSJ = 'mask-rcnn_swin-base-w7-fpn_8xb4-amp-lsj-3x_coco_simmim-800e.py'
SWIN_LARGE = 'mask-rcnn_swin-large-w14-fpn_8xb4-amp-lsj-3x_coco_simmim-800e.py'
SWIN_V2 = 'mask-rcnn_swinv2-base-w16-fpn_8xb2-amp-ms-crop-3x_coco_simmim-800e.py'
VIT_100E = 'vitdet_mask-rcnn_vit-base-p16_8xb8-amp-lsj-100e_coco_simmim-800e.py'


@pytest.fixture(autouse=True)
def no_scope_stays():
    init_default_scope('mmdet')
    yield
    DefaultScope._instance_dict.clear()


@functools.cache
def read_once(path):
    return Config.fromfile(path)


def read(name, **options):
    return read_with_options(str(FOLDER / name), options)[0] if options else copy.deepcopy(read_once(FOLDER / name))


@functools.cache
def mmdet_config(name):
    return Config.fromstring(f"_base_ = 'mmdet::{name}'", '.py')


def without(section, *names):
    return {name: value for name, value in section.to_dict().items() if name not in names}


def test_every_recipe_comes_in_two_starts_one_setting_apart():
    second = [path for path in SHIPPED if path.stem.endswith('-ft1k')]
    assert sorted(SHIPPED) == sorted(second + [FOLDER / f'{path.stem.removesuffix("-ft1k")}.py' for path in second])
    for path in second:
        one, other = read(f'{path.stem.removesuffix("-ft1k")}.py'), read(path)
        assert one.model.backbone.init_cfg.checkpoint != other.model.backbone.init_cfg.checkpoint
        one.model.backbone.init_cfg.checkpoint = other.model.backbone.init_cfg.checkpoint
        assert one.to_dict() == other.to_dict()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_default_checkpoint_is_what_another_config_writes(path):
    backbone = read(path).model.backbone
    writer = writer_of(backbone.init_cfg.checkpoint)
    assert backbone.init_cfg.type == 'Pretrained'
    assert all(writer.model.backbone[key] == backbone[key] for key in ('type', 'arch'))
    assert (writer.model.type == 'ImageClassifier') == path.stem.endswith('-ft1k')
    if not path.stem.endswith('-ft1k'):
        assert path.stem.endswith(f'_simmim-{writer.train_cfg.max_epochs}e')
    assert ('_folder-' in backbone.init_cfg.checkpoint) == (path in OWN)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_recipe(path):
    config = read(path)
    gpus, per_gpu, schedule = re.search(r'_(\d+)xb(\d)-amp-([\w-]+?)_', path.stem).groups()
    vit, own = 'vitdet' in path.stem, path in OWN
    assert config.train_dataloader.batch_size == int(per_gpu)
    assert config.auto_scale_lr.base_batch_size == int(gpus) * int(per_gpu) == (
        64 if vit else 32 if 'lsj' in schedule else 2 if own else 16)
    wrapper = config.optim_wrapper
    assert (wrapper.type, wrapper.dtype, wrapper.get('clip_grad')) == ('AmpOptimWrapper', 'bfloat16', None)
    assert wrapper.optimizer == dict(
        type='AdamW', lr=pytest.approx(3.536e-5, rel=1e-3) if own else 1e-4, betas=(0.9, 0.999),
        weight_decay=0.1 if vit else 0.05, fused=True)
    assert wrapper.paramwise_cfg.layer_decay_rate == (0.7 if vit else 0.9)
    backbone = config.model.backbone
    rates = dict(tiny=0.2, base=0.1 if vit else 0.3, large=0.4)
    assert backbone.drop_path_rate == rates[backbone.arch]
    assert backbone.get('with_cp', False) == (vit or backbone.arch == 'large')  # more than 24 GB otherwise
    assert config.train_dataloader.sampler.type.startswith('mmsimmim.Seeded')
    assert config.default_hooks.checkpoint.save_best == 'coco/bbox_mAP'


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_schedule(path):
    config = read(path)
    warmup, steps = config.param_scheduler
    assert (warmup.type, warmup.begin, warmup.start_factor) == ('LinearLR', 0, 0.001)
    assert (steps.type, steps.begin, steps.gamma) == ('MultiStepLR', 0, 0.1)
    if path in OWN:
        assert (warmup.end, warmup.by_epoch, warmup.convert_to_iter_based) == (1, True, True)
    else:
        assert (warmup.end, warmup.by_epoch) == (250 if 'vitdet' in path.stem else 1000, False)
    if '-100e_coco' in path.stem:  # ViTDet's 100 epochs, as published: 184375 iterations of 64 images
        assert config.train_cfg == dict(
            type='mmsimmim.IterBasedTrainLoop', max_iters=184_375, val_interval=184_375 // 25)
        assert (steps.end, steps.milestones, steps.by_epoch) == (184_375, [163_889, 177_546], False)
        checkpoint = config.default_hooks.checkpoint
        assert (checkpoint.interval, checkpoint.by_epoch) == (184_375 // 25, False)
        assert config.default_hooks.logger.log_metric_by_epoch is config.log_processor.by_epoch is False
        assert config.train_dataloader.sampler.type == 'mmsimmim.SeededInfiniteSampler'
        return
    epochs, milestones = (12, [8, 11]) if '-1x_' in path.stem else (36, [27, 33])
    assert without(config.train_cfg, '_scope_') == dict(
        type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=1)
    assert (steps.end, steps.milestones, steps.by_epoch) == (epochs, milestones, True)
    assert config.train_dataloader.sampler.type == 'mmsimmim.SeededSampler'


def plain(steps):
    """Without the scopes that MMEngine notes beside inherited steps."""
    if isinstance(steps, dict):
        return {key: plain(value) for key, value in steps.items() if key not in ('_scope_', 'backend_args')}
    return [plain(step) for step in steps] if isinstance(steps, (list, tuple)) else steps


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_pipelines_are_those_of_mmdet(path):
    """Seeded, and in large-scale jitter an image without objects left is kept."""
    config = read(path)
    name = ('common/lsj-100e_coco-instance.py' if '-lsj-' in path.stem else
            'swin/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco.py' if '-ms-crop-' in path.stem else
            'atss/atss_r50_fpn_1x_coco.py' if path.stem.startswith('atss') else
            'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py')
    theirs = mmdet_config(name)
    train, test = plain(theirs.train_pipeline), plain(theirs.test_pipeline)
    for step in train:
        if step['type'] == 'FilterAnnotations':
            step['keep_empty'] = False
    if 'vitdet' in path.stem:
        test[1]['scale'] = [1024, 1024]
    if path in OWN and path.stem.startswith('atss'):
        train[1] = test[2] = dict(type='LoadAnnotations', with_bbox=True)
    assert plain(config.train_dataloader.dataset.pipeline) == [dict(type='mmsimmim.SeedSample'), *train]
    assert plain(config.val_dataloader.dataset.pipeline) == plain(config.test_dataloader.dataset.pipeline) == test


def stock_model(path):
    """What a config's model inherits, from another config of mmdet's with the same."""
    if path.stem.startswith('atss'):
        return mmdet_config('atss/atss_r50_fpn_1x_coco.py').model
    if path.stem.startswith('cascade'):
        name = 'cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'
        return mmdet_config(f'convnext/{name}').model
    return mmdet_config('swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py').model


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_all_but_the_encoder_is_that_of_mmdet(path):
    ours, theirs = read(path).model, copy.deepcopy(stock_model(path))
    width = dict(tiny=96, base=128, large=192)[ours.backbone.arch]
    theirs.neck.in_channels = [width, 2 * width, 4 * width, 8 * width]
    if path.stem.startswith('atss'):  # the encoder does not compute what the pyramid would leave out
        theirs.neck.update(in_channels=theirs.neck.in_channels[1:], start_level=0)
    if '-lsj-' in path.stem and 'vitdet' not in path.stem:
        theirs.data_preprocessor.batch_augments = [dict(type='BatchFixedSizePad', size=(1024, 1024), pad_mask=True)]
        theirs.test_cfg.rcnn.nms.type = 'soft_nms'
    if 'vitdet' in path.stem:
        norm = dict(type='mmpretrain.LN2d', eps=1e-6)
        theirs.data_preprocessor.pad_size_divisor = 1024
        theirs.neck = ours.neck
        theirs.rpn_head.num_convs = 2
        theirs.roi_head.bbox_head.update(type='Shared4Conv1FCBBoxHead', conv_out_channels=256, norm_cfg=norm)
        theirs.roi_head.mask_head.norm_cfg = norm
    if path in OWN:
        for head in (theirs.bbox_head, ) if 'bbox_head' in theirs else theirs.roi_head.values():
            if 'num_classes' in head:
                head.num_classes = 1
    assert without(ours, 'backbone', '_scope_') == without(theirs, 'backbone', '_scope_')


@pytest.mark.parametrize('name, windows', [
    (SWIN, [7, 7, 7, 7]), (SWIN_LARGE, [14, 14, 14, 7]), (SWIN_V2, [16, 16, 16, 8])])
def test_windows(name, windows):
    """Whole and shifted at every stage, as the size of the maps is not known beforehand."""
    backbone = build_without_memory(read(name)).backbone
    attention = [stage.blocks[1].attn for stage in backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(window, window // 2) for window in windows]
    if name == SWIN_V2:
        assert [a.w_msa.pretrained_window_size for a in attention] == [12, 12, 12, 6]


@pytest.mark.parametrize('name, exempt', [(SWIN, ['bias_table']), (SWIN_V2, ['cpb_mlp', 'logit_scale'])])
def test_every_parameter_of_a_swin_learns_and_decays_by_its_place(name, exempt):
    found = settings(read(name))
    for parameter, (scale, decay, ndim) in found.items():
        depth = depth_in_swin(parameter, [2, 2, 18, 2], merges_after_blocks=name == SWIN)
        assert scale == pytest.approx(0.9**(25 - depth)), parameter
        assert decay == (0 if ndim == 1 or any(key in parameter for key in exempt) else 0.05), parameter
    assert found['roi_head.mask_head.conv_logits.weight'] == (1, 0.05, 4)


def test_every_parameter_of_vitdet_learns_and_decays_by_its_place():
    found = settings(read(VIT_100E))
    for parameter, (scale, decay, ndim) in found.items():
        block = re.match(r'backbone\.layers\.(\d+)\.', parameter)
        depth = 0 if parameter.startswith('backbone.patch_embed.') else int(block[1]) + 1 if block else 13
        assert scale == pytest.approx(0.7**(13 - depth)), parameter
        assert decay == (0 if ndim == 1 else 0.1), parameter
    assert found['backbone.layers.11.attn.relative_position_bias_table'] == (pytest.approx(0.7), 0.1, 2)
    assert found['neck.levels.0.0.weight'] == (1, 0.1, 4)


def objects(generator, number, height, width, categories):
    """Boxes with a diamond in each."""
    for _ in range(number):
        w, h = generator.integers(12, 40, 2).tolist()
        x, y = int(generator.integers(0, width - w)), int(generator.integers(0, height - h))
        diamond = [x, y + h // 2, x + w // 2, y, x + w, y + h // 2, x + w // 2, y + h]
        yield dict(category_id=categories[int(generator.integers(len(categories)))], iscrowd=0, bbox=[x, y, w, h],
                   area=w * h // 2, segmentation=[diamond])


def write_coco(root, ann_file, folder, names, seed):
    """Four images, wide and high, of which the last has no object of its own."""
    generator = np.random.default_rng(seed)
    (root / folder).mkdir(parents=True)
    (root / ann_file).parent.mkdir(exist_ok=True)
    images, annotations = [], []
    for i in range(4):
        height, width = [(60, 80), (56, 90), (80, 60), (64, 64)][i]
        pixels = generator.integers(0, 60, (height, width, 3))
        for one in objects(generator, 4 - i, height, width, range(1, len(names) + 1)):
            x, y, w, h = one['bbox']
            pixels[y:y + h, x:x + w] += one['category_id'] % 5 * 30
            annotations.append(dict(one, id=len(annotations) + 1, image_id=i))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / folder / f'{i}.jpg')
        images.append(dict(id=i, file_name=f'{i}.jpg', height=height, width=width))
    categories = [dict(id=number, name=name) for number, name in enumerate(names, start=1)]
    (root / ann_file).write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    from mmdet.datasets import CocoDataset
    root = tmp_path_factory.mktemp('coco')
    for seed, side in enumerate(('train', 'val')):
        write_coco(root, f'annotations/instances_{side}2017.json', f'{side}2017', CocoDataset.METAINFO['classes'], seed)
    return root


@pytest.fixture(scope='module')
def own_set(tmp_path_factory):
    root = tmp_path_factory.mktemp('own')
    for seed, side in enumerate(('train', 'val')):
        write_coco(root, f'instances_{side}.json', side, ['cell', 'nucleus', 'debris'], seed)
    return root


def shrink(config, tmp_path):
    """A config with little depth, width, pixels and data, that starts from a small file of the kind it expects."""
    vit = 'img_size' in config.model.backbone
    divisor = 4 if vit else 8  # of the images; windows and tables keep their sizes
    shrink_heads(config.model)
    if vit:
        config.model.data_preprocessor.pad_size_divisor //= divisor
        config.model.neck.in_channels = 16
        arch = dict(embed_dims=16, num_layers=12, num_heads=2, feedforward_channels=32)
    else:
        for augment in config.model.data_preprocessor.get('batch_augments', []):
            augment.size = tuple(size // divisor for size in augment.size)
        config.model.neck.in_channels = [8, 16, 32, 64][-len(config.model.neck.in_channels):]
        arch = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    for side in ('train', 'val', 'test'):
        loader = config[f'{side}_dataloader']
        loader.update(batch_size=4, num_workers=0, persistent_workers=False)
        shrink_pipeline(loader.dataset.pipeline, lambda size: (size[0] // divisor, size[1] // divisor))
        if side != 'train':
            loader.dataset.indices = 2
    config.train_cfg.update(dict(max_iters=1, val_interval=1) if 'max_iters' in config.train_cfg else
                            dict(max_epochs=1))
    config.work_dir = str(tmp_path / 'work')
    start = tmp_path / 'start.pth'
    weights = write_start(config.model.backbone.init_cfg.checkpoint, arch, start)
    config.model.backbone.arch = arch
    config.model.backbone.init_cfg.checkpoint = str(start)
    return weights


def shrink_heads(section):
    """Narrow layers, few proposals, and no box left out because an untrained head is unsure of it."""
    small = dict(out_channels=32, in_channels=32, feat_channels=32, conv_out_channels=32, fc_out_channels=48,
                 max_per_img=20, nms_pre=50, num=32, score_thr=0.0)
    for key, value in section.items():
        if isinstance(value, dict):
            shrink_heads(value)
        elif isinstance(value, (list, tuple)):
            for part in value:
                if isinstance(part, dict):
                    shrink_heads(part)
        elif key in small and not isinstance(value, str):
            section[key] = small[key]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_trains_and_predicts(path, request, tmp_path):
    """As shipped but for depth, width, pixels and the amount of data: never the structure or the pipeline."""
    from mmengine.runner import Runner
    root = request.getfixturevalue('own_set' if path in OWN else 'coco')
    config = read(path, data_root=str(root), **dict(classes=['cell', 'nucleus', 'debris']) if path in OWN else {})
    start = shrink(config, tmp_path)
    config.experiment_name = path.stem
    runner = Runner.from_cfg(config)
    gradients = watch_gradients(runner.model)
    runner.train()
    history = runner.message_hub.log_scalars
    losses = {name: history[name].current() for name in history if re.match(r'train/(s\d\.)?loss', name)}
    assert len(losses) == (4 if path.stem.startswith('atss') else 12 if path.stem.startswith('cascade') else 6)
    assert all(np.isfinite(loss) for loss in losses.values()) and losses['train/loss'] > 0
    for kind in ('bbox', ) if path.stem.startswith('atss') else ('bbox', 'segm'):
        assert 0 <= history[f'val/coco/{kind}_mAP'].current() <= 1
    assert gradients.keys() == dict(runner.model.named_parameters()).keys()
    assert all(gradient > 0 for name, gradient in gradients.items() if name.startswith('backbone.'))
    assert all(np.isfinite(gradient) for gradient in gradients.values())
    began = {name: value for name, value in runner.model.backbone.state_dict().items()
             if name in start and value.shape == start[name].shape}
    assert len(began) > 0.8 * len(start)
    assert max((value - start[name]).abs().max() for name, value in began.items()) < 1e-6  # one step of warm-up
    check_detector(config, runner.model, runner.val_dataloader.dataset.get_data_info(0)['img_path'])


def test_a_resumed_run_ends_as_the_unbroken_one(coco, tmp_path):
    """Order, crops and drop paths of the second epoch, although images are grouped by their shape."""
    from mmengine.runner import Runner

    def train(name, **changes):
        config = read(SWIN_CROP, data_root=str(coco))
        shrink(config, tmp_path)
        config.merge_from_dict({'train_dataloader.batch_size': 2, 'train_cfg.val_interval': 9, **changes})
        config.experiment_name = name
        runner = Runner.from_cfg(config)
        runner.train()
        return runner.model.state_dict()

    whole = train('whole', **{'train_cfg.max_epochs': 2})
    rest = train('rest', **{'train_cfg.max_epochs': 2, 'resume': True,
                            'load_from': str(tmp_path / 'work' / 'epoch_1.pth')})
    assert all(torch.equal(rest[name], value) for name, value in whole.items())


def test_a_crop_that_loses_all_objects_is_trained_on(coco):
    """In its place mmdet would draw another image, which has no seed."""
    dataset = read(SWIN_LSJ).train_dataloader.dataset
    dataset.data_root = str(coco)
    for step in dataset.pipeline:
        if step.type == 'FilterAnnotations':
            step.min_gt_bbox_wh = (10_000, 10_000)
    sample = DATASETS.build(dataset)[SampleIndex(3, key=(0, 0, 3))]['data_samples']
    assert sample.img_id == 3 and len(sample.gt_instances) == 0


@pytest.mark.parametrize('name, shape, padded', [
    (VIT_100E, (1024, 1024), (1024, 1024)), (VIT_100E, (768, 1024), (1024, 1024)), (SWIN_LSJ, (300, 700), (1024, 1024)),
    (SWIN_CROP, (300, 700), (320, 704))])
def test_images_are_padded_in_training(name, shape, padded):
    from mmdet.structures import DetDataSample
    preprocessor = MODELS.build(dict(read(name).model.data_preprocessor, pad_mask=False, batch_augments=[
        dict(augment, pad_mask=False) for augment in read(name).model.data_preprocessor.get('batch_augments', [])]))
    batch = dict(inputs=[torch.zeros(3, *shape, dtype=torch.uint8)],
                 data_samples=[DetDataSample(metainfo=dict(img_shape=shape))])
    assert preprocessor(copy.deepcopy(batch), training=True)['inputs'].shape == (1, 3, *padded)
    in_test = padded if name == VIT_100E else tuple(-(-size // 32) * 32 for size in shape)
    assert preprocessor(batch)['inputs'].shape == (1, 3, *in_test)


def soft_nms(boxes, scores, threshold):
    """Of one class, in plain NumPy: scores of what overlaps the best by more than the threshold times 1 - IoU."""
    boxes, scores = boxes.astype(float), scores.astype(float)
    kept = []
    while len(scores):
        best = scores.argmax()
        kept.append((*boxes[best], scores[best]))
        rest = np.arange(len(scores)) != best
        low, high = np.maximum(boxes[rest, :2], boxes[best, :2]), np.minimum(boxes[rest, 2:], boxes[best, 2:])
        shared = (high - low).clip(0).prod(axis=1)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        overlap = shared / (areas[rest] + areas[best] - shared)
        scores = scores[rest] * np.where(overlap > threshold, 1 - overlap, 1)
        boxes, scores = boxes[rest][scores >= 1e-3], scores[scores >= 1e-3]
    return kept


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'mask-rcnn' in path.stem], ids=lambda path: path.stem)
def test_soft_nms_is_one_option(path):
    from mmdet.models.layers import multiclass_nms
    swin_lsj = '-lsj-' in path.stem and 'vitdet' not in path.stem
    assert read(path).model.test_cfg.rcnn.nms.type == ('soft_nms' if swin_lsj else 'nms')
    config, messages = read_with_options(str(path), {'model.test_cfg.rcnn.nms.type': 'soft_nms'})
    assert messages == []
    test_cfg = config.model.test_cfg.rcnn
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(30, 2, generator=generator) * 40
    boxes = torch.cat([corners, corners + 20 + torch.rand(30, 2, generator=generator) * 20], dim=1)
    scores = torch.rand(30, 3, generator=generator)
    found, labels = multiclass_nms(boxes, scores, test_cfg.score_thr, test_cfg.nms, test_cfg.max_per_img)
    expected = [row for label in (0, 1) for row in soft_nms(
        *(part[scores[:, label] > test_cfg.score_thr].numpy() for part in (boxes, scores[:, label])), 0.5)]
    assert len(found) == len(expected) > 45
    np.testing.assert_allclose(found.numpy(), sorted(expected, key=lambda row: -row[4]), atol=1e-4)


@pytest.mark.parametrize('path', OWN, ids=lambda path: path.stem)
@pytest.mark.parametrize('way', ['copy', 'options'])
def test_own_set_is_a_path_and_names(path, way, own_set, tmp_path):
    names = ('cell', 'nucleus', 'debris')
    if way == 'copy':
        config = own_config(path, tmp_path, data_root=str(own_set), classes=names)
    else:
        config = read(path, data_root=str(own_set), classes=list(names))
        config.model.backbone.pop('init_cfg')
        sections = {key: value for key, value in config.to_dict().items() if isinstance(value, dict)}
        assert 'my_images' not in str(sections)
    heads = [config.model.bbox_head] if 'bbox_head' in config.model else [
        config.model.roi_head.bbox_head, config.model.roi_head.mask_head]
    assert {head.num_classes for head in heads} == {3}
    for side in ('train', 'val', 'test'):
        dataset = DATASETS.build(config[f'{side}_dataloader'].dataset)
        assert tuple(dataset.metainfo['classes']) == names and dataset.metainfo['palette'] is None
        assert len(dataset) == 4 and Path(dataset.get_data_info(0)['img_path']).is_file()
    metric = METRICS.build(config.test_evaluator)
    assert len(metric._coco_api.get_img_ids()) == 4


def own_config(path, tmp_path, **changes):
    """A copy of a config for own data with other values at its top."""
    text = path.read_text().replace("'../_base_", f"'{ROOT}/configs/_base_")
    for name, value in changes.items():
        text, count = re.subn(rf'^{name} = .*$', f'{name} = {value!r}', text, flags=re.M)
        assert count == 1
    (tmp_path / 'own.py').write_text(text)
    return Config.fromfile(tmp_path / 'own.py')


@pytest.mark.parametrize('path', OWN, ids=lambda path: path.stem)
def test_one_annotation_file_elsewhere(path):
    config = read(path, data_root='/data/cells', val_ann_file='/labels/second_reader.json')
    assert config.train_dataloader.dataset.ann_file == '/data/cells/instances_train.json'
    for section in (config.val_dataloader.dataset, config.val_evaluator, config.test_evaluator):
        assert section.ann_file == '/labels/second_reader.json'
    assert config.test_dataloader.dataset.data_prefix.img == '/data/cells/val'


def test_coco_elsewhere_is_one_option():
    config = read(SWIN, data_root='/datasets/coco')
    assert config.val_evaluator.ann_file == '/datasets/coco/annotations/instances_val2017.json'
    config.pop('data_root')
    assert 'data/coco' not in str(config.to_dict()).replace('/datasets/coco', '')


def table_rows():
    """The rows of the README's tables that link configs, as dictionaries by column."""
    for table in re.findall(r'(?:^\|.*\|\n)+', (FOLDER / 'README.md').read_text(), re.M):
        header, _, *lines = [[cell.strip() for cell in line.strip('|').split(' | ')] for line in table.splitlines()]
        yield from (dict(zip(map(str.strip, header), line)) for line in lines if '.py)' in ''.join(line))


def test_readme_and_metafile_know_every_config():
    linked = re.findall(r'\]\(([^)/]+\.py)\)', (FOLDER / 'README.md').read_text())
    assert sorted(linked) == [path.name for path in CONFIGS]
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    assert [model['Config'] for model in models] == [str(path.relative_to(ROOT)) for path in CONFIGS]
    assert all(model['Name'] == Path(model['Config']).stem for model in models)
    assert 'configs/det/metafile.yml' in (ROOT / 'model-index.yml').read_text()


@functools.cache
def number_of_parameters(path):
    return sum(parameter.numel() for parameter in build_without_memory(read(path)).parameters())


def test_readme_and_metafile_tell_what_is_in_the_configs():
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    counts = {Path(model['Config']).name: model['Metadata']['Parameters'] for model in models}
    for row in table_rows():
        names = re.findall(r'\]\(([^)/]+\.py)\)', ' '.join(row.values()))
        config = read(names[0])
        count = number_of_parameters(FOLDER / names[0])
        assert row['params'] == f'{count / 1e6:.1f} M'
        assert {counts.get(name, count) for name in names} == {count}
        backbone = config.model.backbone
        assert row['layer decay, drop path'] == (
            f'{config.optim_wrapper.paramwise_cfg.layer_decay_rate}, {backbone.drop_path_rate}')
        kind = {'mmsimmim.SwinTransformer': 'Swin', 'mmsimmim.SwinTransformerV2': 'Swin V2',
                'mmsimmim.VisionTransformer': 'ViT'}[backbone.type]
        windows = backbone.window_size if isinstance(backbone.window_size, tuple) else (backbone.window_size, )
        assert row['encoder, window'] == f'{kind}-{backbone.arch[0].upper()}, {", ".join(map(str, windows))}'
        if 'effective batch size' in row:
            assert row['effective batch size'] == str(config.auto_scale_lr.base_batch_size)
