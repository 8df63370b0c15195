"""The shipped segmentation configs: recipe, what each parameter learns at, one real step and one prediction of each."""

import copy
import functools
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import mmcv
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image
from torch.nn import functional as F

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim import architectures
from mmsimmim.commands.common.runner import build_runner
from mmsimmim.commands.common.testing import use_tta
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.commands.config.options import MISSING, value_at
from mmsimmim.datasets.checks import check_config
from mmsimmim.registry import DATASETS, MODELS, PARAM_SCHEDULERS
from tests.configs.downstream import (
    build_without_memory,
    check_same_but_for_the_size,
    depth_in_swin,
    length_of,
    letter_of,
    settings,
    shrink_pipeline,
    without_gradient,
    write_start,
    writer_of,
)
from tests.configs.inferencers import check_segmentor
from tests.configs.schedules import optimizer_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'seg'
CONFIGS = sorted(FOLDER.glob('*.py'))
TESTS_ONLY = [path for path in CONFIGS if '_test-' in path.stem]
TRAINED = [path for path in CONFIGS if path not in TESTS_ONLY]
RECIPE = '8xb2-amp-160k_ade20k'
SWIN = f'upernet_swin-base-w7_{RECIPE}-512px_simmim-800e.py'
SWIN_TINY = f'upernet_swin-tiny-w7_{RECIPE}-512px_simmim-100e.py'
SWIN_640 = f'upernet_swin-base-w7_{RECIPE}-640px_simmim-800e.py'
SWIN_LARGE = f'upernet_swin-large-w14_{RECIPE}-512px_simmim-800e.py'
SWIN_V2 = f'upernet_swinv2-base-w16_{RECIPE}-512px_simmim-800e.py'
SWIN_V2_LARGE = f'upernet_swinv2-large-w16_{RECIPE}-512px_simmim-800e.py'
SWIN_V2_HUGE = 'upernet_swinv2-huge-w16_8xb2-amp-fsdp-160k_ade20k-512px_simmim-800e.py'
SWIN_V2_SMALL = f'upernet_swinv2-small-w16_{RECIPE}-512px_simmim-500k.py'
SWIN_V2_GIANT_1B = 'upernet_swinv2-giant-1b-w16_8xb2-amp-fsdp-160k_ade20k-512px_simmim-500k.py'
SWIN_V2_GIANT = 'upernet_swinv2-giant-w40_16xb2-amp-fsdp-80k_ade20k-640px_simmim-20e-sup-30e.py'
SWIN_V2_GIANT_896 = 'upernet_swinv2-giant-w40_16xb2-amp-fsdp-80k_ade20k-640px_simmim-20e-sup-30e_test-896px.py'
CITYSCAPES = 'upernet_swin-base-w7_8xb2-amp-80k_cityscapes-512x1024px_simmim-800e.py'
VIT = f'upernet_vit-base-p16_{RECIPE}-512px_simmim-800e.py'
OWN = 'upernet_swin-tiny-w7_1xb4-amp-40k_folder-512px_simmim-100e.py'
V2_EXEMPT = ['cpb_mlp', 'logit_scale']  # from weight decay
CLASSES = dict(ade20k=150, cityscapes=19, folder=3)
RATIOS = (0.75, 0.875, 1.0, 1.125, 1.25)
SMALLER = 8  # pixels of every size in a config over those in the tests


class Recipe(NamedTuple):
    """What configs of one architecture and size set; effective batch size and crop (H, W) are in their names, too."""

    batch: int
    lr: float
    layer_decay: float
    drop_path: float
    crop: tuple[int, int] = (512, 512)
    interval: int = 16_000  # of validations and checkpoints
    recomputes: bool = False  # by default not: 24 GB are enough


RECIPES = {
    SWIN_TINY: Recipe(16, 1e-4, 0.9, 0.2),
    SWIN: Recipe(16, 1e-4, 0.9, 0.3),
    SWIN_640: Recipe(16, 1e-4, 0.9, 0.3, (640, 640)),
    CITYSCAPES: Recipe(16, 1e-4, 0.9, 0.3, (512, 1024)),
    SWIN_LARGE: Recipe(16, 1e-4, 0.9, 0.3),
    SWIN_V2_SMALL: Recipe(16, 1e-4, 0.9, 0.3),
    SWIN_V2: Recipe(16, 1e-4, 0.9, 0.3),
    SWIN_V2_LARGE: Recipe(16, 1e-4, 0.9, 0.3),
    SWIN_V2_HUGE: Recipe(16, 1e-4, 0.9, 0.4, recomputes=True),
    SWIN_V2_GIANT_1B: Recipe(16, 1e-4, 0.9, 0.4, recomputes=True),
    SWIN_V2_GIANT: Recipe(32, 4e-5, 1.0, 0.4, (640, 640), recomputes=True),
    VIT: Recipe(16, 7e-4, 0.65, 0.1),
    OWN: Recipe(4, 5e-5, 0.9, 0.2, interval=4_000),
}


@pytest.fixture(autouse=True)
def no_scope_stays():
    init_default_scope('mmseg')
    yield
    DefaultScope._instance_dict.clear()


@functools.cache
def read_once(path):
    return Config.fromfile(path)


def read(name, **options):
    return read_with_options(str(FOLDER / name), options)[0] if options else copy.deepcopy(read_once(FOLDER / name))


def test_every_recipe_comes_in_two_starts_one_setting_apart():
    """But one's own, which has no labels to fine-tune on, and Swin V2-G's, of which all that is published is one."""
    second = [path for path in CONFIGS if path.stem.endswith('-ft1k')]
    first = {path.name for path in TRAINED if path not in second}
    assert first == RECIPES.keys()
    assert set(map(first_start_of, second)) == first - {OWN, SWIN_V2_GIANT}
    for path in second:
        one, other = read(first_start_of(path)), read(path)
        assert one.model.backbone.init_cfg.checkpoint != other.model.backbone.init_cfg.checkpoint
        one.model.backbone.init_cfg.checkpoint = other.model.backbone.init_cfg.checkpoint
        assert one.to_dict() == other.to_dict()


@pytest.mark.parametrize('name, neighbour, backbone', [
    (SWIN_V2_SMALL, SWIN_V2, dict(arch='small')), (SWIN_V2_GIANT_1B, SWIN_V2_HUGE, dict(arch='giant-1b'))])
def test_encoders_of_the_data_scaling_study_differ_in_size_from_their_neighbours(name, neighbour, backbone):
    check_same_but_for_the_size(read(name), read(neighbour), backbone)


def first_start_of(path):
    """Name of the config that differs in its start alone."""
    return f'{path.stem.removesuffix("-ft1k")}.py'


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_default_checkpoint_is_what_another_config_writes(path):
    backbone = read(path).model.backbone
    length, fine_tuned = re.search(r'_simmim-(\d+[ek])(-ft1k|-sup-30e|)$', path.stem).groups()
    writer = writer_of(backbone.init_cfg.checkpoint)
    assert backbone.init_cfg.type == 'Pretrained'
    assert (writer.model.type == 'ImageClassifier') == bool(fine_tuned)
    if fine_tuned == '-sup-30e':
        assert writer.train_cfg.max_epochs == 30
    pretraining = writer_of(writer.model.backbone.init_cfg.checkpoint) if fine_tuned else writer
    assert length_of(pretraining) == length
    for config in (writer, pretraining):
        assert all(config.model.backbone[key] == backbone[key] for key in ('type', 'arch'))
    assert ('_folder-' in backbone.init_cfg.checkpoint) == (path.name in (OWN, SWIN_V2_GIANT))


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_recipe(path):
    config, recipe = read(path), RECIPES[first_start_of(path)]
    gpus, per_gpu = map(int, re.search(r'_(\d+)xb(\d+)-', path.stem).groups())
    iterations = int(re.search(r'-amp-(?:fsdp-)?(\d+)k_', path.stem)[1]) * 1000
    assert config.train_dataloader.batch_size == per_gpu
    assert config.auto_scale_lr.base_batch_size == gpus * per_gpu == recipe.batch
    assert config.train_cfg == dict(
        type='mmsimmim.IterBasedTrainLoop', max_iters=iterations, val_interval=recipe.interval)
    assert iterations % recipe.interval == 0
    checkpoint = config.default_hooks.checkpoint
    assert (checkpoint.interval, checkpoint.save_best, checkpoint.by_epoch) == (recipe.interval, 'mIoU', False)
    assert (config.optim_wrapper.type, config.optim_wrapper.dtype) == ('AmpOptimWrapper', 'bfloat16')
    assert 'fp16' not in config  # a switch of mmsegmentation 0.x, which does nothing now
    assert config.optim_wrapper.optimizer == dict(
        type='AdamW', lr=recipe.lr, betas=(0.9, 0.999), weight_decay=0.05, fused=True)
    assert config.optim_wrapper.paramwise_cfg.layer_decay_rate == recipe.layer_decay
    backbone = config.model.backbone
    assert backbone.drop_path_rate == recipe.drop_path
    assert backbone.get('with_cp', False) == recipe.recomputes
    crop = [step for step in config.train_dataloader.dataset.pipeline if step.type == 'RandomCrop']
    assert crop[0].crop_size == config.model.data_preprocessor.size == recipe.crop
    height, width = recipe.crop
    assert f'-{height}px_' in path.stem if height == width else f'-{height}x{width}px_' in path.stem
    assert config.train_dataloader.sampler.type == 'mmsimmim.SeededInfiniteSampler'
    assert config.train_dataloader.dataset.pipeline[0] == dict(type='mmsimmim.SeedSample')
    sharded = config.get('runner_type') == 'FlexibleRunner' and config.strategy == dict(type='mmsimmim.FSDPStrategy')
    assert sharded == ('-fsdp-' in path.stem) == ('strategy' in config)


@pytest.mark.parametrize('name', [SWIN, SWIN_LARGE, SWIN_V2_HUGE])
def test_settings_of_published_results_are_in_the_published_ranges(name):
    """Appendix A.4 of ConvNeXt V2, which says that it does as SimMIM does."""
    recipe, config = RECIPES[name], read(name)
    assert 1e-4 <= recipe.lr <= 3e-4 and recipe.layer_decay in (0.8, 0.9) and 0.1 <= recipe.drop_path <= 0.4
    assert (recipe.batch, config.train_cfg.max_iters, recipe.crop) == (16, 160_000, (512, 512))


def test_settings_of_the_giant_are_the_published_ones():
    """Appendix A2.2 and table 4 of Swin V2."""
    config, larger = read(SWIN_V2_GIANT), read(SWIN_V2_GIANT_896)
    optimizer, warm_up = config.optim_wrapper.optimizer, config.param_scheduler[0]
    assert (optimizer.lr, optimizer.weight_decay, config.auto_scale_lr.base_batch_size) == (4e-5, 0.05, 32)
    assert (config.train_cfg.max_iters, warm_up.end, config.param_scheduler[1].power) == (80_000, 750, 1)
    assert config.model.backbone.drop_path_rate == 0.4
    assert [(c.model.backbone.img_size, c.model.backbone.window_size[0]) for c in (config, larger)] == [
        (640, 40), (896, 56)]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_all_but_the_encoder_is_that_of_mmsegmentation(path):
    """Heads, preprocessing and test mode as in its config for Swin, or for BEiT."""
    ours, theirs = read(path).model, stock_model('vit' in path.stem)
    theirs.data_preprocessor.size = ours.data_preprocessor.size
    if 'vit' in path.stem:
        theirs.test_cfg.update(crop_size=(512, 512), stride=(341, 341))
    else:
        width = architectures.SWIN_V2[ours.backbone.arch]['embed_dims']
        theirs.decode_head.in_channels = [width, 2 * width, 4 * width, 8 * width]
        theirs.auxiliary_head.in_channels = 4 * width
    if ours.backbone.arch == 'giant':
        theirs.test_cfg = stock_model(vit=True).test_cfg  # of 640 px
    if path in TESTS_ONLY:
        theirs.test_cfg.update(crop_size=(896, 896), stride=(597, 597))
    theirs.decode_head.num_classes = theirs.auxiliary_head.num_classes = CLASSES[data_of(path)]
    assert without(ours, 'backbone', 'pretrained') == without(theirs, 'backbone', 'pretrained')


def data_of(path):
    return re.search(r'_(ade20k|cityscapes|folder)-', path.stem)[1]


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_images_are_those_of_mmsegmentation(path):
    """Its pipelines, seeded; one's own labels are read as the dataset says."""
    config = read(path)
    name = {'folder': 'ade20k.py', 'cityscapes': 'cityscapes.py'}.get(
        data_of(path), 'ade20k_640x640.py' if '640px' in path.stem else 'ade20k.py')
    theirs = Config.fromstring(f"_base_ = 'mmseg::_base_/datasets/{name}'", '.py')
    train, test = plain(theirs.train_pipeline), plain(theirs.test_pipeline)
    if path.name == OWN:
        train[1] = test[2] = dict(type='LoadAnnotations')
    assert plain(config.train_dataloader.dataset.pipeline) == [dict(type='mmsimmim.SeedSample'), *train]
    assert plain(config.val_dataloader.dataset.pipeline) == plain(config.test_dataloader.dataset.pipeline) == test
    if path.name != OWN:
        for side in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            ours, stock = plain(config[side].dataset.to_dict()), plain(theirs[side].dataset.to_dict())
            assert dict(ours, pipeline=None) == dict(stock, pipeline=None)


def test_a_test_at_another_size_differs_in_sizes_alone():
    """The images of the test, the windows, what slides; and nothing can be trained so."""
    ours, trained = (plain(read(name).to_dict()) for name in (SWIN_V2_GIANT_896, SWIN_V2_GIANT))
    for section in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg',
                    'val_evaluator'):
        assert ours[section] is None and trained.pop(section) is not None
    trained['model']['backbone'].update(img_size=896, window_size=(56, 56, 56, 28), init_cfg=None)
    trained['model']['test_cfg'].update(crop_size=(896, 896), stride=(597, 597))
    trained['test_dataloader']['dataset']['pipeline'][1]['scale'] = (4 * 896, 896)
    trained['tta_pipeline'][1]['transforms'][0] = [
        dict(type='Resize', scale=(4 * side, side), keep_ratio=True) for side in (672, 784, 896, 1008, 1120)]
    for section in ('model', 'test_dataloader', 'tta_pipeline', 'tta_model', 'default_hooks', 'strategy'):
        assert ours[section] == trained[section], section


def plain(section):
    """Without the scopes that MMEngine notes beside what is inherited."""
    if isinstance(section, dict):
        return {key: plain(value) for key, value in section.items() if key != '_scope_'}
    return [plain(part) for part in section] if isinstance(section, list) else section


def stock_model(vit):
    name = ('beit/beit-base_upernet_8xb2-160k_ade20k-640x640.py' if vit else
            'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py')
    return Config.fromstring(f"_base_ = 'mmseg::{name}'", '.py').model


def without(section, *names):
    return {name: value for name, value in section.to_dict().items() if name not in names}


@functools.cache
def structure(name):
    """The model of a config at its full size, without values."""
    return build_without_memory(read(name))


@pytest.mark.parametrize('name, windows, whole', [
    (SWIN, [7, 7, 7, 7], 0), (CITYSCAPES, [7, 7, 7, 7], 0), (SWIN_LARGE, [14, 14, 14, 7], 0),
    (SWIN_V2, [16, 16, 16, 8], 0), (SWIN_V2_LARGE, [16, 16, 16, 8], 0), (SWIN_V2_HUGE, [16, 16, 16, 8], 0),
    (SWIN_V2_GIANT, [40, 40, 40, 20], 2), (SWIN_V2_GIANT_896, [56, 56, 56, 28], 2)])
def test_windows(name, windows, whole):
    """Whole and shifted at every stage, as downstream the maps' size is not known beforehand.

    But for Swin V2-G, which slides over the image: a window of its last stages is the whole map, and stays.
    """
    attention = [stage.blocks[1].attn for stage in structure(name).backbone.stages]
    shifts = [window // 2 for window in windows[:4 - whole]] + [0] * whole
    assert [(a.window_size, a.shift) for a in attention] == list(zip(windows, shifts))
    if 'swinv2' in name:
        assert [a.w_msa.pretrained_window_size for a in attention] == [12, 12, 12, 6]


@pytest.mark.parametrize('name, exempt', [
    (SWIN, ['bias_table']), (SWIN_V2, V2_EXEMPT), (SWIN_V2_HUGE, V2_EXEMPT), (SWIN_V2_GIANT, V2_EXEMPT)])
def test_every_parameter_of_a_swin_learns_and_decays_by_its_place(name, exempt):
    depths = architectures.SWIN_V2[read(name).model.backbone.arch]['depths']
    for parameter, (scale, decay, ndim) in settings(read(name)).items():
        depth = depth_in_swin(parameter, depths, merges_after_blocks=name == SWIN)
        assert scale == pytest.approx(RECIPES[name].layer_decay**(sum(depths) + 1 - depth)), parameter
        assert decay == (0 if ndim == 1 or any(key in parameter for key in exempt) else 0.05), parameter


def test_every_parameter_of_the_vit_learns_and_decays_by_its_place():
    found = settings(read(VIT))
    for parameter, (scale, decay, ndim) in found.items():
        block = re.match(r'backbone\.layers\.(\d+)\.', parameter)
        first = parameter.startswith(('backbone.patch_embed.', 'backbone.cls_token'))
        depth = 0 if first else int(block[1]) + 1 if block else 13
        assert scale == pytest.approx(0.65**(13 - depth)), parameter
        assert decay == (0 if ndim == 1 or parameter == 'backbone.cls_token' else 0.05), parameter
    assert found['backbone.layers.0.attn.relative_position_bias_table'][1] == 0.05
    assert found['neck.upsample_4x.0.weight'][0] == 1


@pytest.mark.parametrize('name, warm_up', [(SWIN, 1500), (SWIN_V2_GIANT, 750), (OWN, 1500)])
def test_warm_up_and_straight_line_to_zero(name, warm_up):
    config = read(name)
    lr, total = config.optim_wrapper.optimizer.lr, config.train_cfg.max_iters
    optimizer = optimizer_of(lr, lr / 10)
    optimizer.step()
    schedulers = [PARAM_SCHEDULERS.build(dict(end=total) | part, default_args=dict(optimizer=optimizer))
                  for part in config.param_scheduler]
    expected = {0: 1e-6, warm_up // 2: 1e-6 + (1 - 1e-6) * (warm_up // 2) / (warm_up - 1), warm_up: 1.}
    expected.update({i: (total - 1 - i) / (total - 1 - warm_up)
                     for i in (total // 4, total // 2, total - 2, total - 1)})
    for iteration in range(total):
        if iteration in expected:
            for group, highest in zip(optimizer.param_groups, (lr, lr / 10)):
                assert group['lr'] == pytest.approx(highest * expected[iteration], rel=1e-6, abs=1e-15), iteration
        for scheduler in schedulers:
            scheduler.step()


def pictures(names, generator):
    """Images of three colours in blocks, with the number of the colour for a label."""
    for name in names:
        blocks = generator.integers(0, 3, (4, 6)).repeat(12, 0).repeat(15, 1).astype(np.uint8)
        image = (blocks[..., None] * 100 + generator.integers(0, 50, (*blocks.shape, 3))).astype(np.uint8)
        yield name, image, blocks


# Folders of images and of label maps, suffixes of both, and values: of none, of two classes.
LAYOUTS = dict(
    ade=('images/{}', 'annotations/{}', ('training', 'validation'), '.jpg', '.png', (0, 50, 150)),
    own=('images/{}', 'labels/{}', ('train', 'val'), '.jpg', '.png', (255, 0, 1)),
    cityscapes=('leftImg8bit/{}/ulm', 'gtFine/{}/ulm', ('train', 'val'), '_leftImg8bit.png',
                '_gtFine_labelTrainIds.png', (255, 0, 18)))


@pytest.fixture(scope='module')
def data_roots(tmp_path_factory):
    """Small sets, not to be changed, in the layouts of ADE20K, of one's own folders and of Cityscapes."""
    generator, folder = np.random.default_rng(0), tmp_path_factory.mktemp('sets')
    for root, (image_folder, label_folder, parts, image_suffix, label_suffix, values) in LAYOUTS.items():
        for part in parts:
            images, labels = (folder / root / name.format(part) for name in (image_folder, label_folder))
            images.mkdir(parents=True)
            labels.mkdir(parents=True)
            for name, image, blocks in pictures(['0', '1', '2', '3'], generator):
                Image.fromarray(image).save(images / f'{name}{image_suffix}')
                Image.fromarray(np.array(values, np.uint8)[blocks]).save(labels / f'{name}{label_suffix}')
    return {root: str(folder / root) for root in LAYOUTS}


def root_of(dataset):
    return {'ADE20KDataset': 'ade', 'CityscapesDataset': 'cityscapes', 'BaseSegDataset': 'own'}[dataset.type]


def shrink(config, data_roots, tmp_path):
    """A config with little depth, width, pixels and data, that starts from a small file of the kind it expects."""
    model = config.model
    # of the giant's windows by no more than what leaves them in the same place on their maps
    factor = 4 if model.backbone.arch == 'giant' else SMALLER
    smaller = functools.partial(divide, factor=factor)
    model.data_preprocessor.size = smaller(model.data_preprocessor.size)
    model.test_cfg.update({key: smaller(model.test_cfg[key]) for key in ('crop_size', 'stride')
                           if key in model.test_cfg})
    arch, widths = shrink_encoder(model.backbone, factor)
    model.decode_head.update(in_channels=widths, channels=16)
    model.auxiliary_head.update(in_channels=widths[2], channels=16)
    if 'neck' in model:
        model.neck.embed_dim = 16
    for side in ('train', 'val', 'test'):
        loader = config[f'{side}_dataloader']
        if loader is not None:
            loader.update(num_workers=0, persistent_workers=False)
            loader.dataset.data_root = data_roots[root_of(loader.dataset)]
            shrink_pipeline(loader.dataset.pipeline, smaller)
            if side != 'train':
                loader.dataset.indices = 2
    shrink_pipeline(config.tta_pipeline, smaller)
    config.work_dir = str(tmp_path / 'work')
    if config.train_cfg is not None:
        config.train_dataloader.batch_size = 4  # with two, stochastic depth can leave a branch out of both steps
        config.train_cfg.update(max_iters=2, val_interval=2)
        config.param_scheduler[0].end = config.param_scheduler[1].begin = 1
        start = tmp_path / 'start.pth'
        write_start(model.backbone.init_cfg.checkpoint, arch, start)
        model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(start))
    model.backbone.arch = arch
    return config


def divide(size, factor):
    return tuple(pixels // factor for pixels in size)


def shrink_encoder(backbone, factor):
    """Make sizes that are pixels smaller, and return a small architecture and the channels of its maps."""
    if backbone.type == 'mmsimmim.VisionTransformer':
        backbone.img_size //= factor
        return dict(embed_dims=16, num_layers=12, num_heads=2, feedforward_channels=32), [16] * 4
    extra = dict(extra_norm_every_n_blocks=2) if backbone.arch in ('huge', 'giant') else {}
    if 'img_size' in backbone:
        backbone.img_size //= factor
        backbone.window_size = divide(backbone.window_size, factor)
    return dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4], **extra), [8, 16, 32, 64]


@pytest.mark.parametrize('path', [path for path in TRAINED if '_simmim-500k' not in path.stem],
                         ids=lambda path: path.stem)
def test_every_config_trains_and_predicts(path, data_roots, tmp_path):
    """As shipped but for depth, width, pixels and the amount of data: never the structure or the pipeline."""
    config = shrink(read(path), data_roots, tmp_path)
    config.experiment_name = path.stem
    runner = build_runner(config)
    runner.train()
    history = runner.message_hub.log_scalars
    losses = [history[f'train/{name}'].current() for name in ('loss', 'decode.loss_ce', 'aux.loss_ce')]
    assert losses[0] == pytest.approx(losses[1] + losses[2], rel=1e-5) and 0 < losses[0] < 10
    assert 0 <= history['val/mIoU'].current() <= 100
    assert not without_gradient(runner.model, runner.optim_wrapper.optimizer)
    assert all(parameter.isfinite().all() for parameter in runner.model.parameters())
    start = torch.load(config.model.backbone.init_cfg.checkpoint)['state_dict']
    moved = [(value - start[name]).abs().max() for name, value in runner.model.state_dict().items()
             if name in start and value.shape == start[name].shape]
    assert len(moved) > 0.75 * len(start) and max(moved) < 1e-2  # two steps away from there
    check_segmentor(config, runner.model, runner.val_dataloader.dataset.get_data_info(0)['img_path'])


def test_the_giant_is_tested_with_other_windows_than_it_was_trained_with(data_roots, tmp_path):
    """The weights fit as they are; what comes out is the average over crops of the larger size."""
    trained = MODELS.build(shrink(read(SWIN_V2_GIANT), data_roots, tmp_path).model)
    trained.init_weights()
    torch.nn.init.normal_(trained.decode_head.conv_seg.weight, generator=torch.Generator().manual_seed(0))
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'iter_80000.pth')
    config = shrink(read(SWIN_V2_GIANT_896), data_roots, tmp_path)
    config.update(load_from=str(tmp_path / 'iter_80000.pth'), experiment_name='giant_896')
    runner = build_runner(config)
    assert 0 <= runner.test()['mIoU'] <= 100
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in runner.model.state_dict().items())
    sample = runner.test_dataloader.dataset[0]
    image = trained.data_preprocessor(pseudo_collate([sample]), False)['inputs']
    assert image.shape[-2:] == (224, 420)
    with torch.no_grad():
        found = runner.model.test_step(pseudo_collate([sample]))[0].seg_logits.data
        expected, other = (F.interpolate(logits_of(model.eval(), image, model.test_cfg), found.shape[-2:],
                                         mode='bilinear')[0] for model in (runner.model, trained))
    torch.testing.assert_close(found, expected)
    assert (found - other).abs().max() > 1e-2


def test_what_is_for_tests_only_is_not_trained(monkeypatch):
    from mmsimmim.commands.train import main
    monkeypatch.setattr('sys.argv', ['train', str(FOLDER / SWIN_V2_GIANT_896)])
    with pytest.raises(SystemExit, match='does not set train_cfg, train_dataloader, optim_wrapper'):
        main()


def test_a_resumed_run_reads_only_what_is_left_and_ends_the_same(data_roots, tmp_path, monkeypatch):
    from mmengine.runner import Runner
    from mmseg.datasets.transforms import LoadAnnotations
    read_files = []
    load = LoadAnnotations.transform
    monkeypatch.setattr(LoadAnnotations, 'transform', lambda self, results: (
        read_files.append(results['seg_map_path']), load(self, results))[1])

    def train(**changes):
        read_files.clear()
        config = shrink(read(SWIN), data_roots, tmp_path)
        config.merge_from_dict({'train_cfg.max_iters': 3, 'train_cfg.val_interval': 3, **changes,
                                'train_dataloader.batch_size': 2, 'default_hooks.checkpoint.interval': 2})
        config.experiment_name = f'resumed_{len(changes)}'
        runner = Runner.from_cfg(config)
        runner.train()
        return runner.model.state_dict(), [Path(path).name for path in read_files if '/training/' in path]

    whole, files = train()
    rest, files_of_rest = train(resume=True, load_from=str(tmp_path / 'work' / 'iter_2.pth'))
    assert len(files) == 6 and files_of_rest == files[4:]
    assert all(torch.equal(rest[name], value) for name, value in whole.items())


def logits_of(model, x, test_cfg):
    """Whole, or the average over windows, the last of which are moved back into the image."""

    def whole(x):
        features = model.backbone(x)
        features = model.neck(features) if model.with_neck else features
        return F.interpolate(model.decode_head(features), x.shape[2:], mode='bilinear')

    if test_cfg.mode == 'whole':
        return whole(x)
    total, count = 0, 0
    starts = [[min(start, max(size - crop, 0)) for start in range(0, max(size - crop, 0) + stride, stride)]
              for size, crop, stride in zip(x.shape[2:], test_cfg.crop_size, test_cfg.stride)]
    for top in starts[0]:
        for left in starts[1]:
            window = (..., slice(top, top + test_cfg.crop_size[0]), slice(left, left + test_cfg.crop_size[1]))
            place = torch.zeros_like(x[:, :1])
            place[window] = 1
            logits = torch.zeros(1, model.num_classes, *x.shape[2:])
            logits[window] = whole(x[window])
            total, count = total + logits, count + place
    return total / count


def average_of_augmented(model, image, test_cfg):
    """Probabilities (classes, H, W) over five scales of short side 512 / SMALLER and their mirror images."""
    height, width = image.shape[:2]
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    found = []
    for ratio in RATIOS:
        short = 512 // SMALLER * ratio
        factor = min(4 * short / max(height, width), short / min(height, width))
        resized = mmcv.imresize(image, (int(width * factor + 0.5), int(height * factor + 0.5)))
        x = ((torch.from_numpy(resized[..., ::-1].copy()) - mean) / std).permute(2, 0, 1)[None]
        for mirrored in (False, True):
            logits = logits_of(model, x.flip(-1) if mirrored else x, test_cfg)
            logits = logits.flip(-1) if mirrored else logits
            found.append(F.interpolate(logits, (height, width), mode='bilinear')[0].softmax(0))
    return torch.stack(found).mean(0)


@pytest.mark.parametrize('name', [SWIN, VIT])
def test_augmented_prediction_is_the_average_over_scales_and_mirror_images(name, data_roots, tmp_path):
    config = shrink(read(name), data_roots, tmp_path)
    test_cfg = config.model.test_cfg
    once = DATASETS.build(config.test_dataloader.dataset)
    use_tta(config)
    augmented = DATASETS.build(config.test_dataloader.dataset)
    tta = MODELS.build(config.model).eval()
    model = tta.module
    model.init_weights()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = tta.test_step(pseudo_collate([augmented[0]]))[0].pred_sem_seg.data
        alone = model.test_step(pseudo_collate([once[0]]))[0].pred_sem_seg.data
        expected = average_of_augmented(model, mmcv.imread(once.get_data_info(0)['img_path']), test_cfg).argmax(0)
    assert len(expected.unique()) > 3
    assert (found == expected).float().mean() > 0.999 > (alone == expected).float().mean()


def test_four_lines_lead_to_another_data_set():
    """Those in the docs, from the config that they name to the one that they name."""
    before, after = (''.join(f'{line[1:]}\n' for line in four_lines() if line[:1] in ('', ' ', sign)) for sign in '-+')
    text = (FOLDER / SWIN).read_text()
    assert text.count(before) == 1
    assert text.replace(before, after) == (FOLDER / CITYSCAPES).read_text()
    assert sum(line.startswith('+') for line in four_lines()) == 4


def four_lines():
    text = (ROOT / 'docs' / 'segmentation.md').read_text()
    assert f'`{SWIN}`' in text and f'`configs/seg/{CITYSCAPES}`' in text
    return re.search(r'```diff\n(.*?)```', text, re.S)[1].splitlines()


@pytest.mark.parametrize('name, dataset, classes', [
    (SWIN_V2_HUGE, '../_base_/datasets/cityscapes_512x1024.py', 19),
    (VIT, '../_base_/datasets/cityscapes_512x1024.py', 19), (SWIN_LARGE, 'mmseg::_base_/datasets/potsdam.py', 6)])
def test_the_four_lines_fit_other_encoders_and_data_sets(name, dataset, classes, tmp_path):
    first, *rest = [line[1:].replace('19', str(classes)) for line in four_lines() if line.startswith('+')]
    text = (FOLDER / name).read_text().replace('../_base_/datasets/ade20k_512.py', dataset)
    text = text.replace('model = dict(\n', '\n'.join([rest[0], 'model = dict(', *rest[1:], '']))
    if name == VIT:
        text = text.replace('backbone=dict(\n', 'backbone=dict(\n        img_size=_base_.crop_size,\n')
    (tmp_path / 'config.py').write_text(text.replace("'../_base_", f"'{ROOT}/configs/_base_"))
    config, base = Config.fromfile(tmp_path / 'config.py'), read(name)
    assert 'cityscapes' in first and config.train_cfg == dict(base.train_cfg, max_iters=80_000)
    assert config.train_dataloader.dataset.type != base.train_dataloader.dataset.type
    assert config.model.data_preprocessor.size == config.crop_size == ((512, 1024) if classes == 19 else (512, 512))
    model = build_without_memory(config)
    assert {model.decode_head.conv_seg.out_channels, model.auxiliary_head.conv_seg.out_channels} == {classes}
    if name == VIT:
        assert tuple(model.test_cfg.crop_size) == (512, 1024)
        assert len(model.backbone.layers[0].attn.relative_position_bias_table) == 63 * 127 + 3


def test_the_checker_reads_cityscapes(data_roots, tmp_path):
    config, root = read(CITYSCAPES), tmp_path / 'cityscapes'
    shutil.copytree(data_roots['cityscapes'], root)
    for side in ('train', 'val', 'test'):
        config[f'{side}_dataloader'].dataset.data_root = str(root)
    report = check_config(config)
    assert report.count('error') == 0 and '4 of 4 label maps read' in str(report)
    Image.fromarray(np.full((48, 90), 33, np.uint8)).save(root / 'gtFine/train/ulm/1_gtFine_labelTrainIds.png')
    (root / 'gtFine/train/ulm/0_gtFine_labelTrainIds.png').unlink()
    report = re.sub(r'\s+', ' ', str(check_config(config)))
    assert 'images without a label map: 1' in report and 'label maps with values out of range: 1' in report


def own_config(tmp_path, **changes):
    """A copy of the config for own data with other values at its top."""
    text = (FOLDER / OWN).read_text().replace("'../_base_", f"'{ROOT}/configs/_base_")
    for name, value in changes.items():
        text, count = re.subn(rf'^{name} = .*$', f'{name} = {value!r}', text, flags=re.M)
        assert count == 1
    (tmp_path / 'own.py').write_text(text)
    return Config.fromfile(tmp_path / 'own.py')


@pytest.mark.parametrize('reduce_zero_label, labels', [(False, {0, 1, 255}), (True, {0, 255})])
def test_own_data_is_five_variables(reduce_zero_label, labels, data_roots, tmp_path):
    config = own_config(tmp_path, data_root=data_roots['own'], img_suffix='.jpg', seg_map_suffix='.png',
                        classes=('road', 'roof', 'tree', 'lake'), reduce_zero_label=reduce_zero_label)
    assert config.model.decode_head.num_classes == config.model.auxiliary_head.num_classes == 4
    for side in ('train', 'val', 'test'):
        dataset = DATASETS.build(config[f'{side}_dataloader'].dataset)
        assert dataset.metainfo['classes'] == ('road', 'roof', 'tree', 'lake')
        assert len(dataset) == 4 and len(dataset.metainfo['palette']) == 4
    assert set(dataset[0]['data_samples'].gt_sem_seg.data.unique().tolist()) == labels


def test_own_folder_is_one_option():
    config = read(OWN, data_root='/data/fields', train_images='a', val_images='b', val_labels='c', img_suffix='.tif',
                  num_classes=7)
    sides = [config[f'{side}_dataloader'].dataset for side in ('train', 'val', 'test')]
    assert {(side.data_root, side.img_suffix, side.seg_map_suffix) for side in sides} == {
        ('/data/fields', '.tif', '.png')}
    assert [tuple(side.data_prefix.values()) for side in sides] == [('a', 'labels/train'), ('b', 'c'), ('b', 'c')]
    assert config.model.decode_head.num_classes == config.model.auxiliary_head.num_classes == 7


@pytest.mark.parametrize('name', [SWIN_640, VIT, OWN])
def test_the_size_of_crops_reaches_the_model(name):
    config, messages = read_with_options(str(FOLDER / name), dict(crop_size=(384, 384)))
    assert config.train_dataloader.dataset.pipeline[4].crop_size == config.model.data_preprocessor.size == (384, 384)
    assert len(messages) == 1 and (name != VIT or config.model.test_cfg.crop_size == (384, 384))


def test_readme_and_metafile_know_every_config():
    readme = (FOLDER / 'README.md').read_text()
    rows = dict(re.findall(r'^\| \[[^]]+\]\(([^)/]+\.py)\) \|(.*)\|$', readme, re.M))
    first = {first_start_of(path) for path in CONFIGS}
    assert rows.keys() == first
    for name, row in rows.items():
        second = re.findall(r'\]\((.*?)\)', row)
        assert second == [path.name for path in CONFIGS if first_start_of(path) == name != path.name]
        assert settings_in_readme(name) in f'|{row}|'
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    assert sorted(model['Config'] for model in models) == [str(path.relative_to(ROOT)) for path in CONFIGS]
    for model in models:
        path = ROOT / model['Config']
        count = sum(p.numel() for p in structure(first_start_of(path)).parameters())
        assert model['Name'] == path.stem and model['Metadata']['Parameters'] == count
        assert f'| {count / 1e6:.1f} M |' in rows[first_start_of(path)]
        published = [value for key, value in model['Metadata'].get('Published', {}).items() if key != 'Source']
        assert published == ([] if path.name == OWN else published_in_readme(path, rows))


def published_in_readme(path, rows):
    """Of two starts the published results belong to the second."""
    if path.with_stem(f'{path.stem}-ft1k') in CONFIGS:
        return []
    return [float(number) for number in re.findall(r'\d+\.\d', rows[first_start_of(path)].split('|')[-2])]


def settings_in_readme(name):
    """What the README's row of a config should say between its name and the number of parameters."""
    config = read(name)
    backbone, recipe = config.model.backbone, RECIPES.get(name)
    lr = recipe and re.sub(r'e-0', 'e-', f'{recipe.lr:.0e}')
    if name == OWN:
        return f'| Swin-T | your own pre-training on a folder | {recipe.batch}, {lr} |'
    kind = backbone.type.removeprefix('mmsimmim.')
    kind = {'SwinTransformer': 'Swin', 'SwinTransformerV2': 'Swin V2', 'VisionTransformer': 'ViT'}[kind]
    windows = backbone.get('window_size', ())
    where = (f'blocks {", ".join(str(i + 1) for i in backbone.out_indices)}' if kind == 'ViT' else
             ', '.join(map(str, windows)) if isinstance(windows, tuple) else str(windows))
    crop = recipe.crop if recipe else config.model.test_cfg.crop_size
    sides = ' x '.join(map(str, dict.fromkeys(crop)))
    learning = f'{lr}, {recipe.layer_decay}, {recipe.drop_path}' if recipe else '–'
    return f'| {kind}-{letter_of(backbone.arch)}, {where} | {sides} px | {learning} |'


def test_options_in_the_readme_are_settings_of_the_configs():
    readme = (FOLDER / 'README.md').read_text()
    keys = set(re.findall(r'([a-z_]+(?:\.\w+)+)=', readme))
    config = read(SWIN)
    assert {'optim_wrapper.optimizer.lr', 'optim_wrapper.paramwise_cfg.layer_decay_rate',
            'model.backbone.drop_path_rate'} <= keys
    assert MISSING not in [value_at(config, key) for key in keys]
