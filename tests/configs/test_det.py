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
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands.common.runner import build_runner
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.datasets.checks import check_config
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.registry import DATASETS, METRICS, MODELS
from tests.configs.downstream import (
    build_without_memory,
    check_same_but_for_the_size,
    depth_in_swin,
    length_of,
    letter_of,
    settings,
    shrink_pipeline,
    watch_gradients,
    write_start,
    writer_of,
)
from tests.configs.inferencers import check_detector, run_detector

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
SWIN_V2_HUGE = 'mask-rcnn_swinv2-huge-w16-fpn_32xb1-amp-fsdp-lsj-3x_coco_simmim-800e.py'
SWIN_V2_SMALL = 'mask-rcnn_swinv2-small-w16-fpn_8xb2-amp-ms-crop-3x_coco_simmim-500k.py'
SWIN_V2_GIANT_1B = 'mask-rcnn_swinv2-giant-1b-w16-fpn_32xb1-amp-fsdp-lsj-3x_coco_simmim-500k.py'
HTC = 'htc_swinv2-large-w32-fpn_64xb1-amp-lsj-3x_coco-1536px_simmim-800e.py'
GIANT_BOXES = 'htc_swinv2-giant-w32-fpn_96xb1-amp-fsdp-67500i_objects365_simmim-20e-sup-30e.py'
GIANT = 'htc_swinv2-giant-w32-fpn_96xb1-amp-fsdp-45000i_coco-1536px_simmim-20e-sup-30e-o365.py'
CHAIN = [FOLDER / GIANT_BOXES, FOLDER / GIANT]
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
    assert sorted(SHIPPED) == sorted(
        CHAIN + second + [FOLDER / f'{path.stem.removesuffix("-ft1k")}.py' for path in second])
    for path in second:
        one, other = read(f'{path.stem.removesuffix("-ft1k")}.py'), read(path)
        assert one.model.backbone.init_cfg.checkpoint != other.model.backbone.init_cfg.checkpoint
        one.model.backbone.init_cfg.checkpoint = other.model.backbone.init_cfg.checkpoint
        assert one.to_dict() == other.to_dict()


@pytest.mark.parametrize('name, neighbour, backbone', [
    (SWIN_V2_SMALL, SWIN_V2, dict(arch='small', drop_path_rate=0.2)),
    (SWIN_V2_GIANT_1B, SWIN_V2_HUGE, dict(arch='giant-1b'))])
def test_encoders_of_the_data_scaling_study_differ_in_size_from_their_neighbours(name, neighbour, backbone):
    check_same_but_for_the_size(read(name), read(neighbour), backbone)


def test_swin_v2_giant_has_one_start_and_two_halves():
    """SimMIM, a supervised stage, the boxes of Objects365, COCO: the only way that was published."""
    boxes, masks = read(GIANT_BOXES), read(GIANT)
    assert 'init_cfg' not in masks.model.backbone and boxes.get('load_from') is None
    assert masks.load_from == f'work_dirs/{Path(GIANT_BOXES).stem}/iter_{boxes.train_cfg.max_iters}.pth'
    assert boxes.train_cfg.max_iters % boxes.default_hooks.checkpoint.interval == 0
    assert without(boxes.model.backbone, 'init_cfg') == masks.model.backbone.to_dict()


@pytest.mark.parametrize('path', [path for path in CONFIGS if 'swinv2' in path.stem], ids=lambda path: path.stem)
def test_windows_of_pretraining_are_those_of_the_checkpoint(path):
    """A fine-tuned classifier goes on to measure offsets by the windows of its pre-training."""
    config = read(GIANT_BOXES if path == FOLDER / GIANT else path)
    with torch.device('meta'):
        trained = MODELS.build(dict(
            writer_of(config.model.backbone.init_cfg.checkpoint).model.backbone, arch='tiny', init_cfg=None))
    windows = [stage.blocks[0].attn.w_msa.pretrained_window_size for stage in trained.stages]
    assert windows == list(config.model.backbone.pretrained_window_sizes) == [12, 12, 12, 6]


@pytest.mark.parametrize('path', [path for path in CONFIGS if path.name != GIANT], ids=lambda path: path.stem)
def test_default_checkpoint_is_what_another_config_writes(path):
    backbone = read(path).model.backbone
    writer = writer_of(backbone.init_cfg.checkpoint)
    assert backbone.init_cfg.type == 'Pretrained'
    assert all(writer.model.backbone[key] == backbone[key] for key in ('type', 'arch'))
    classifier = path.stem.endswith('-ft1k') or path in CHAIN
    assert (writer.model.type == 'ImageClassifier') == classifier
    if path in CHAIN:
        assert path.stem.endswith(f'-sup-{writer.train_cfg.max_epochs}e')
    else:
        pretraining = writer_of(writer.model.backbone.init_cfg.checkpoint) if classifier else writer
        assert path.stem.removesuffix('-ft1k').endswith(f'_simmim-{length_of(pretraining)}')
    assert ('_folder-' in backbone.init_cfg.checkpoint) == (path in OWN or path in CHAIN)


# Published for Swin V2, and not 1e-4
LR = {HTC.removesuffix('.py'): 4e-4, HTC: 4e-4, GIANT_BOXES: 1.2e-3, GIANT: 6e-4}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_recipe(path):
    config = read(path)
    gpus, per_gpu, schedule = re.search(r'_(\d+)xb(\d)-amp-([\w-]+?)_', path.stem).groups()
    vit, own, htc, giant = 'vitdet' in path.stem, path in OWN, path.stem.startswith('htc'), path in CHAIN
    assert config.train_dataloader.batch_size == int(per_gpu)
    assert config.auto_scale_lr.base_batch_size == int(gpus) * int(per_gpu) == (
        96 if giant else 64 if vit or htc else 32 if 'lsj' in schedule else 2 if own else 16)
    wrapper = config.optim_wrapper
    assert (wrapper.type, wrapper.dtype, wrapper.get('clip_grad')) == ('AmpOptimWrapper', 'bfloat16', None)
    assert wrapper.optimizer == dict(
        type='AdamW', lr=pytest.approx(3.536e-5, rel=1e-3) if own else LR.get(path.name.removesuffix('-ft1k.py'), 1e-4),
        betas=(0.9, 0.999), weight_decay=0.1 if vit else 0.05, fused=True)
    assert wrapper.paramwise_cfg.layer_decay_rate == (0.7 if vit else 1 if htc else 0.9)
    assert wrapper.paramwise_cfg.get('backbone_lr_mult', 1) == (0.1 if htc else 1)
    backbone = config.model.backbone
    rates = {'tiny': 0.2, 'small': 0.2, 'base': 0.1 if vit else 0.3, 'large': 0.4, 'huge': 0.5, 'giant-1b': 0.5,
             'giant': 0.4}
    assert backbone.drop_path_rate == rates[backbone.arch]
    # more than 24 GB otherwise
    assert backbone.get('with_cp', False) == (vit or backbone.arch in ('large', 'huge', 'giant-1b', 'giant'))
    assert backbone.get('sequential_stages', ()) == ((0, 1) if giant else ())
    sharded = dict(runner_type='FlexibleRunner', strategy=dict(type='mmsimmim.FSDPStrategy'))
    assert {key: config[key] for key in sharded if key in config} == (sharded if '-fsdp-' in path.stem else {})
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
    counted = {
        '-100e_coco': (184_375, [163_889, 177_546], 25),  # ViTDet's 100 epochs, as published, of 64 images
        '-67500i_': (67_500, [50_625, 61_875], 5), '-45000i_': (45_000, [33_750, 41_250], 10)}
    for part, (length, milestones, validations) in counted.items():
        if part not in path.stem:
            continue
        assert config.train_cfg == dict(
            type='mmsimmim.IterBasedTrainLoop', max_iters=length, val_interval=length // validations)
        assert (steps.end, steps.milestones, steps.by_epoch) == (length, milestones, False)
        checkpoint = config.default_hooks.checkpoint
        assert (checkpoint.interval, checkpoint.by_epoch) == (length // validations, False)
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
    name = ('objects365/faster-rcnn_r50_fpn_16xb4-1x_objects365v2.py' if path.name == GIANT_BOXES else
            'common/lsj-100e_coco-instance.py' if '-lsj-' in path.stem or path.name == GIANT else
            'swin/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco.py' if '-ms-crop-' in path.stem else
            'atss/atss_r50_fpn_1x_coco.py' if path.stem.startswith('atss') else
            'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py')
    theirs = mmdet_config(name)
    train, test = plain(theirs.train_pipeline), plain(theirs.test_pipeline)
    for step in train:
        if step['type'] == 'FilterAnnotations':
            step['keep_empty'] = False
    if '-1536px' in path.stem:
        train[2]['scale'] = train[3]['crop_size'] = [1536, 1536]
        test[1]['scale'] = [1833, 1100]
    if path.name == GIANT_BOXES:
        train[2] = dict(type='RandomChoiceResize', keep_ratio=True, scales=[
            [1706, side] for side in (800, 832, 864, 896, 928, 960, 992, 1024)])
    if 'vitdet' in path.stem:
        test[1]['scale'] = [1024, 1024]
    if path in OWN and path.stem.startswith('atss'):
        train[1] = test[2] = dict(type='LoadAnnotations', with_bbox=True)
    assert plain(config.train_dataloader.dataset.pipeline) == [dict(type='mmsimmim.SeedSample'), *train]
    assert plain(config.val_dataloader.dataset.pipeline) == plain(config.test_dataloader.dataset.pipeline) == test


JITTERED = [path for path in CONFIGS if '-lsj-' in path.stem and 'vitdet' not in path.stem] + [FOLDER / GIANT]


def stock_model(path):
    """What a config's model inherits, from another config of mmdet's with the same."""
    if path.stem.startswith('atss'):
        return mmdet_config('atss/atss_r50_fpn_1x_coco.py').model
    if path.stem.startswith('cascade'):
        name = 'cascade-mask-rcnn_convnext-t-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'
        return mmdet_config(f'convnext/{name}').model
    if path.stem.startswith('htc'):
        return mmdet_config('htc/htc-without-semantic_r50_fpn_1x_coco.py').model
    return mmdet_config('swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py').model


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_all_but_the_encoder_is_that_of_mmdet(path):
    ours, theirs = read(path).model, copy.deepcopy(stock_model(path))
    width = {'tiny': 96, 'small': 96, 'base': 128, 'large': 192, 'huge': 352, 'giant-1b': 448,
             'giant': 512}[ours.backbone.arch]
    theirs.neck.in_channels = [width, 2 * width, 4 * width, 8 * width]
    if path.stem.startswith('atss'):  # the encoder does not compute what the pyramid would leave out
        theirs.neck.update(in_channels=theirs.neck.in_channels[1:], start_level=0)
    if path in JITTERED:
        size = (1536, 1536) if '-1536px' in path.stem else (1024, 1024)
        theirs.data_preprocessor.batch_augments = [dict(type='BatchFixedSizePad', size=size, pad_mask=True)]
        theirs.test_cfg.rcnn.nms.type = 'soft_nms'
    if path.stem.startswith('htc'):  # defaults there
        theirs.data_preprocessor.pad_mask = True
        for part in (theirs.train_cfg.rpn, *theirs.train_cfg.rcnn):
            part.assigner.match_low_quality = True
    if path.name == GIANT_BOXES:
        theirs.roi_head.update(interleaved=False, mask_roi_extractor=None, mask_head=None)
        for head in theirs.roi_head.bbox_head:
            head.num_classes = 365
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
    (SWIN, [7, 7, 7, 7]), (SWIN_LARGE, [14, 14, 14, 7]), (SWIN_V2, [16, 16, 16, 8]), (SWIN_V2_HUGE, [16, 16, 16, 8]),
    (HTC, [32, 32, 32, 16]), (GIANT, [32, 32, 32, 16])])
def test_windows(name, windows):
    """Whole and shifted at every stage, as the size of the maps is not known beforehand."""
    backbone = build_without_memory(read(name)).backbone
    attention = [stage.blocks[1].attn for stage in backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(window, window // 2) for window in windows]
    if 'swinv2' in name:
        assert [a.w_msa.pretrained_window_size for a in attention] == [12, 12, 12, 6]
        side = read(name).get('image_size', [None])[0]
        assert side is None or all(side // 4 // 2**i % window == 0 for i, window in enumerate(windows))


@pytest.mark.parametrize('name, exempt', [(SWIN, ['bias_table']), (SWIN_V2, ['cpb_mlp', 'logit_scale'])])
def test_every_parameter_of_a_swin_learns_and_decays_by_its_place(name, exempt):
    found = settings(read(name))
    for parameter, (scale, decay, ndim) in found.items():
        depth = depth_in_swin(parameter, [2, 2, 18, 2], merges_after_blocks=name == SWIN)
        assert scale == pytest.approx(0.9**(25 - depth)), parameter
        assert decay == (0 if ndim == 1 or any(key in parameter for key in exempt) else 0.05), parameter
    assert found['roi_head.mask_head.conv_logits.weight'] == (1, 0.05, 4)


@pytest.mark.parametrize('name', [HTC, GIANT])
def test_the_encoder_of_htc_learns_at_a_tenth_of_the_rate(name):
    found = settings(read(name))
    for parameter, (scale, decay, ndim) in found.items():
        exempt = ndim == 1 or 'cpb_mlp' in parameter or 'logit_scale' in parameter
        rate = pytest.approx(0.1 if parameter.startswith('backbone.') else 1)
        assert (scale, decay) == (rate, 0 if exempt else 0.05), parameter
    assert ('backbone.stages.2.blocks.41.norm3.weight' in found) == (name == GIANT)
    assert found['roi_head.mask_head.2.conv_res.conv.weight'] == (1, 0.05, 4)


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


def write_coco(root, ann_file, folder, names, seed, patch=''):
    """Four images, wide and high, of which the last has one object only."""
    generator = np.random.default_rng(seed)
    (root / folder / patch).mkdir(parents=True)
    (root / ann_file).parent.mkdir(exist_ok=True)
    images, annotations = [], []
    for i in range(4):
        height, width = [(60, 80), (56, 90), (80, 60), (64, 64)][i]
        pixels = generator.integers(0, 60, (height, width, 3))
        for one in objects(generator, 4 - i, height, width, range(1, len(names) + 1)):
            x, y, w, h = one['bbox']
            pixels[y:y + h, x:x + w] += one['category_id'] % 5 * 30
            annotations.append(dict(one, id=len(annotations) + 1, image_id=i))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / folder / patch / f'{i}.jpg')
        listed = f'images/v1/{patch}/{i}.jpg' if patch else f'{i}.jpg'
        images.append(dict(id=i, file_name=listed, height=height, width=width))
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
def objects365(tmp_path_factory):
    """The layout in which it is distributed: images in patches, listed below other folders."""
    from mmdet.datasets import Objects365V2Dataset
    root = tmp_path_factory.mktemp('objects365')
    for seed, side in enumerate(('train', 'val')):
        write_coco(root, f'annotations/zhiyuan_objv2_{side}.json', side, Objects365V2Dataset.METAINFO['classes'], seed,
                   patch='patch7')
    return root


@pytest.fixture(scope='module')
def own_set(tmp_path_factory):
    root = tmp_path_factory.mktemp('own')
    for seed, side in enumerate(('train', 'val')):
        write_coco(root, f'instances_{side}.json', side, ['cell', 'nucleus', 'debris'], seed)
    return root


def shrink(config, tmp_path):
    """A config with little depth, width, pixels and data, that starts from a small file of the kind it expects.

    Returns the parameters of the encoder in that file, by name.
    """
    vit, htc = 'img_size' in config.model.backbone, config.model.type == 'HybridTaskCascade'
    divisor = 4 if vit else 12 if htc else 8  # of the images; windows and tables keep their sizes
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
        if config.model.backbone.arch in ('huge', 'giant'):
            arch.update(extra_norm_every_n_blocks=2)
    for side in ('train', 'val', 'test'):
        loader = config[f'{side}_dataloader']
        loader.update(batch_size=4, num_workers=0, persistent_workers=False)
        shrink_pipeline(loader.dataset.pipeline, lambda size: (size[0] // divisor, size[1] // divisor))
        for step in loader.dataset.pipeline:
            if htc and 'ratio_range' in step:
                step['ratio_range'] = (0.5, 2.0)  # no anchor of 32 pixels fits into smaller images
        if side != 'train':
            loader.dataset.indices = 2
    config.train_cfg.update(dict(max_iters=1, val_interval=1) if 'max_iters' in config.train_cfg else
                            dict(max_epochs=1))
    config.work_dir = str(tmp_path / 'work')
    start = tmp_path / 'start.pth'
    config.model.backbone.arch = arch
    if 'init_cfg' not in config.model.backbone:
        return {}
    weights = write_start(config.model.backbone.init_cfg.checkpoint, arch, start)
    config.model.backbone.init_cfg.checkpoint = str(start)
    return weights


def shrink_heads(section):
    """Narrow layers, few proposals, and no box left out because an untrained head is unsure of it."""
    small = dict(out_channels=32, in_channels=32, feat_channels=32, conv_out_channels=32, fc_out_channels=48,
                 max_per_img=10, nms_pre=50, num=32, score_thr=0.0)
    for key, value in section.items():
        if isinstance(value, dict):
            shrink_heads(value)
        elif isinstance(value, (list, tuple)):
            for part in value:
                if isinstance(part, dict):
                    shrink_heads(part)
        elif key in small and not isinstance(value, str):
            section[key] = small[key]


class Gradients(Hook):
    """The largest gradient of every parameter, whichever runner builds the model when."""

    def before_train(self, runner):
        self.largest = watch_gradients(runner.model)


def train_shrunk(path, root, folder, load_from=None):
    """Train a step, validate, and look at what every config must show; the config, and the runner afterwards."""
    config = read(path, data_root=str(root), **dict(classes=['cell', 'nucleus', 'debris']) if path in OWN else {})
    start = shrink(config, folder)
    if load_from:
        config.load_from = str(load_from)
        start = {name.removeprefix('backbone.'): value for name, value in torch.load(load_from)['state_dict'].items()
                 if name.startswith('backbone.')}
    config.experiment_name = path.stem
    gradients = Gradients()
    runner = build_runner(config)
    runner.register_hook(gradients)
    runner.train()
    history = runner.message_hub.log_scalars
    losses = {name: history[name].current() for name in history if re.match(r'train/(s\d\.)?loss', name)}
    boxes_alone, stages = path.stem.startswith('atss') or path.name == GIANT_BOXES, len(
        config.model.get('roi_head', {}).get('stage_loss_weights', 'x'))
    assert len(losses) == (4 if path.stem.startswith('atss') else 3 + stages * (2 if boxes_alone else 3))
    assert all(np.isfinite(loss) for loss in losses.values()) and losses['train/loss'] > 0
    for kind in ('bbox', ) if boxes_alone else ('bbox', 'segm'):
        assert 0 <= history[f'val/coco/{kind}_mAP'].current() <= 1
    assert gradients.largest.keys() == dict(runner.model.named_parameters()).keys()
    assert all(gradient > 0 for name, gradient in gradients.largest.items() if name.startswith('backbone.'))
    assert all(np.isfinite(gradient) for gradient in gradients.largest.values())
    began = {name: value for name, value in runner.model.backbone.state_dict().items()
             if name in start and value.shape == start[name].shape}
    assert len(began) > 0.8 * len(start)
    assert max((value - start[name]).abs().max() for name, value in began.items()) < 1e-6  # one step of warm-up
    check_detector(config, runner.model, runner.val_dataloader.dataset.get_data_info(0)['img_path'])
    return config, runner


@functools.cache
def detector_of_objects365(root):
    """A checkpoint of the first half of Swin V2-G's chain, from which the second starts."""
    folder = root.parent / 'objects365_run'
    folder.mkdir()
    config, runner = train_shrunk(FOLDER / GIANT_BOXES, root, folder)
    file = folder / 'iter_1.pth'
    torch.save(dict(state_dict=runner.model.state_dict()), file)
    return file


# The other start of these differs in a file of the same names and shapes: Swin V2 has no tables to resize. Those of the
# data-scaling study are compared with their neighbours above.
TRAINED = [path for path in CONFIGS if path not in CHAIN and not re.search(
    'swinv2-(large|huge).*-ft1k$|_simmim-500k', path.stem)]


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_every_config_trains_and_predicts(path, request, tmp_path):
    """As shipped but for depth, width, pixels and the amount of data: never the structure or the pipeline."""
    train_shrunk(path, request.getfixturevalue('own_set' if path in OWN else 'coco'), tmp_path)


def test_swin_v2_giant_learns_boxes_then_masks(objects365, coco, tmp_path):
    """All of Objects365's detector is taken over that COCO's has, and the log names what is not."""
    first = detector_of_objects365(objects365)
    config, runner = train_shrunk(FOLDER / GIANT, coco, tmp_path, load_from=first)
    log = next(tmp_path.glob('work/*/*.log')).read_text()
    assert re.search(r'SwinTransformerV2: (\d+) of \1 parameters matched', log)
    new = [name for name in runner.model.state_dict() if name.startswith('roi_head.mask_head.')]
    assert f'HybridTaskCascade, outside the encoder: {len(new)} missing, left as they were: roi_head.mask_head.*' in log
    found, before = runner.model.state_dict(), torch.load(first)['state_dict']
    classifiers = [name for name in found if name.endswith(('fc_cls.weight', 'fc_cls.bias'))]
    assert len(classifiers) == 6
    for name in classifiers:
        assert f'size mismatch for {name}' in log
    kept = before.keys() - classifiers
    assert kept | {*classifiers} | {*new} == found.keys()
    assert max((found[name] - before[name]).abs().max() for name in kept) < 2e-6  # one step of warm-up
    check_other_windows(config, runner.model, coco)


def check_other_windows(config, model, coco):
    """Swin V2-G is tested with windows of 48: the same weights, and the same bias of offsets within 32."""
    file = Path(config.work_dir) / 'last.pth'
    torch.save(dict(state_dict=model.state_dict()), file)
    windows = read(GIANT, **{'model.backbone.window_size': [48, 48, 48, 24]}).model.backbone.window_size
    wider = MODELS.build(dict(config.model, backbone=dict(config.model.backbone, window_size=windows)))
    load_checkpoint(wider, str(file), map_location='cpu', strict=True)
    for old, new in zip(model.backbone.stages, wider.backbone.stages):
        table, larger = (stage.blocks[1].attn.w_msa._bias_table().unflatten(0, (side, side)) for stage, side in (
            (old, 2 * old.blocks[1].attn.window_size - 1), (new, 2 * new.blocks[1].attn.window_size - 1)))
        edge = (len(larger) - len(table)) // 2
        assert edge == old.blocks[1].attn.window_size // 2
        torch.testing.assert_close(larger[edge:-edge, edge:-edge], table)
    image = str(next((coco / 'val2017').glob('*.jpg')))
    found = run_detector(config, wider, image)
    assert len(found) > 0 and torch.isfinite(found.scores).all()


def test_objects365_is_checked_in_its_own_layout(objects365):
    report = check_config(read(GIANT_BOXES, data_root=str(objects365)))
    assert report.count('error') == 0 and '4 of 4 images' in str(report)


def test_htc_without_masks_is_cascade_rcnn():
    """As its boxes are refined between the stages, which an interleaved HTC leaves to its mask branch."""
    model = read(GIANT_BOXES).model
    shrink_heads(model)
    plain = {key: value for key, value in model.roi_head.items() if key not in ('interleaved', 'mask_info_flow')}
    configs = (model.roi_head, dict(plain, type='CascadeRoIHead'), dict(model.roi_head, interleaved=True))
    torch.manual_seed(0)
    heads = [MODELS.build(dict(part, train_cfg=model.train_cfg.rcnn, test_cfg=model.test_cfg.rcnn)).double()
             for part in configs]
    maps = [torch.randn(2, 32, 64 // 2**i, 64 // 2**i, dtype=torch.double) for i in range(5)]
    losses, boxes = [], []
    for head in heads:
        head.load_state_dict(heads[0].state_dict())
        proposals, samples = proposals_and_samples()
        torch.manual_seed(1)
        losses.append(head.loss(maps, proposals, samples))
        proposals, samples = proposals_and_samples()
        boxes.append(head.eval().predict(maps, proposals, samples))
    assert losses[0].keys() == losses[1].keys() and len(losses[0]) == 9
    for name, loss in losses[0].items():
        torch.testing.assert_close(loss, losses[1][name], rtol=1e-12, atol=0)
    for mine, theirs in zip(*boxes[:2]):
        assert len(mine) > 0
        torch.testing.assert_close(mine.bboxes, theirs.bboxes)
        torch.testing.assert_close(mine.scores, theirs.scores)
    assert losses[2]['s0.loss_cls'] == losses[0]['s0.loss_cls'] and losses[2]['s2.loss_cls'] != losses[0]['s2.loss_cls']


def proposals_and_samples():
    from mmdet.structures import DetDataSample
    generator = torch.Generator().manual_seed(2)
    proposals, samples = [], []
    for _ in range(2):
        corners = torch.rand(60, 2, generator=generator, dtype=torch.double) * 180
        sides = 20 + torch.rand(60, 2, generator=generator, dtype=torch.double) * 50
        boxes = torch.cat([corners, corners + sides], dim=1)
        proposals.append(InstanceData(bboxes=boxes, scores=torch.ones(60), labels=torch.zeros(60, dtype=torch.long)))
        sample = DetDataSample(metainfo=dict(img_shape=(256, 256), ori_shape=(256, 256), scale_factor=(1., 1.)))
        sample.gt_instances = InstanceData(bboxes=boxes[::10] + 4, labels=torch.arange(6))
        samples.append(sample)
    return proposals, samples


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


@pytest.mark.parametrize(
    'path', [path for path in CONFIGS if re.search('mask-rcnn|htc', path.stem)], ids=lambda path: path.stem)
def test_soft_nms_is_one_option(path):
    from mmdet.models.layers import multiclass_nms
    assert read(path).model.test_cfg.rcnn.nms.type == ('soft_nms' if path in JITTERED else 'nms')
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
        assert row['encoder, window'] == f'{kind}-{letter_of(backbone.arch)}, {", ".join(map(str, windows))}'
        if 'effective batch size' in row:
            assert row['effective batch size'] == str(config.auto_scale_lr.base_batch_size)
