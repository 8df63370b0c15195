"""The shipped segmentation configs: recipe, what each parameter learns at, one real step and one prediction of each."""

import copy
import functools
import re
from pathlib import Path

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
from mmsimmim.commands.common.testing import use_tta
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.commands.config.options import MISSING, value_at
from mmsimmim.registry import DATASETS, MODELS, PARAM_SCHEDULERS
from tests.configs.downstream import (
    build_without_memory,
    depth_in_swin,
    settings,
    shrink_pipeline,
    watch_gradients,
    write_start,
    writer_of,
)
from tests.configs.inferencers import check_segmentor
from tests.configs.schedules import optimizer_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'seg'
CONFIGS = sorted(FOLDER.glob('*.py'))
SHIPPED = [path for path in CONFIGS if 'folder' not in path.stem]
RECIPE = '8xb2-amp-160k_ade20k'
SWIN = f'upernet_swin-base-w7_{RECIPE}-512px_simmim-800e.py'
SWIN_TINY = f'upernet_swin-tiny-w7_{RECIPE}-512px_simmim-100e.py'
SWIN_640 = f'upernet_swin-base-w7_{RECIPE}-640px_simmim-800e.py'
SWIN_LARGE = f'upernet_swin-large-w14_{RECIPE}-512px_simmim-800e.py'
SWIN_V2 = f'upernet_swinv2-base-w16_{RECIPE}-512px_simmim-800e.py'
VIT = f'upernet_vit-base-p16_{RECIPE}-512px_simmim-800e.py'
OWN = 'upernet_swin-tiny-w7_1xb4-amp-40k_folder-512px_simmim-100e.py'
RATIOS = (0.75, 0.875, 1.0, 1.125, 1.25)
SMALLER = 8  # pixels of every size in a config over those in the tests


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
    assert ('_folder-' in backbone.init_cfg.checkpoint) == (path.name == OWN)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_recipe(path):
    config = read(path)
    gpus, per_gpu = map(int, re.search(r'_(\d+)xb(\d+)-', path.stem).groups())
    size = int(re.search(r'-(\d+)px', path.stem)[1])
    iterations = int(re.search(r'-amp-(\d+)k_', path.stem)[1]) * 1000
    vit, own = 'vit' in path.stem, 'folder' in path.stem
    assert config.train_dataloader.batch_size == per_gpu
    assert config.auto_scale_lr.base_batch_size == gpus * per_gpu == (4 if own else 16)
    assert config.train_cfg == dict(
        type='mmsimmim.IterBasedTrainLoop', max_iters=iterations, val_interval=iterations // 10)
    checkpoint = config.default_hooks.checkpoint
    assert (checkpoint.interval, checkpoint.save_best, checkpoint.by_epoch) == (iterations // 10, 'mIoU', False)
    assert (config.optim_wrapper.type, config.optim_wrapper.dtype) == ('AmpOptimWrapper', 'bfloat16')
    assert 'fp16' not in config  # a switch of mmsegmentation 0.x, which does nothing now
    assert config.optim_wrapper.optimizer == dict(
        type='AdamW', lr=7e-4 if vit else 5e-5 if own else 1e-4, betas=(0.9, 0.999), weight_decay=0.05,
        fused=True)
    assert config.optim_wrapper.paramwise_cfg.layer_decay_rate == (0.65 if vit else 0.9)
    backbone = config.model.backbone
    assert backbone.drop_path_rate == (0.1 if vit else 0.2 if backbone.arch == 'tiny' else 0.3)
    assert not backbone.get('with_cp', False)  # 24 GB are enough
    crop = [step for step in config.train_dataloader.dataset.pipeline if step.type == 'RandomCrop']
    assert crop[0].crop_size == config.model.data_preprocessor.size == (size, size)
    assert config.train_dataloader.sampler.type == 'mmsimmim.SeededInfiniteSampler'
    assert config.train_dataloader.dataset.pipeline[0] == dict(type='mmsimmim.SeedSample')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_all_but_the_encoder_is_that_of_mmsegmentation(path):
    """Heads, preprocessing and test mode as in its config for Swin, or for BEiT."""
    ours, theirs = read(path).model, stock_model('vit' in path.stem)
    theirs.data_preprocessor.size = ours.data_preprocessor.size
    if 'vit' in path.stem:
        theirs.test_cfg.update(crop_size=(512, 512), stride=(341, 341))
    else:
        width = {'tiny': 96, 'base': 128, 'large': 192}[ours.backbone.arch]
        theirs.decode_head.in_channels = [width, 2 * width, 4 * width, 8 * width]
        theirs.auxiliary_head.in_channels = 4 * width
    if 'folder' in path.stem:
        theirs.decode_head.num_classes = theirs.auxiliary_head.num_classes = 3
    assert without(ours, 'backbone', 'pretrained') == without(theirs, 'backbone', 'pretrained')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_images_are_those_of_mmsegmentation(path):
    """Its pipelines, seeded; one's own labels are read as the dataset says."""
    config = read(path)
    name = 'ade20k_640x640.py' if '640px' in path.stem else 'ade20k.py'
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


@pytest.mark.parametrize('name, windows', [
    (SWIN, [7, 7, 7, 7]), (SWIN_LARGE, [14, 14, 14, 7]), (SWIN_V2, [16, 16, 16, 8])])
def test_windows(name, windows):
    """Whole and shifted at every stage, as downstream the maps' size is not known beforehand."""
    backbone = build_without_memory(read(name)).backbone
    attention = [stage.blocks[1].attn for stage in backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(window, window // 2) for window in windows]
    if name == SWIN_V2:
        assert [a.w_msa.pretrained_window_size for a in attention] == [12, 12, 12, 6]


@pytest.mark.parametrize('name, exempt', [(SWIN, ['bias_table']), (SWIN_V2, ['cpb_mlp', 'logit_scale'])])
def test_every_parameter_of_a_swin_learns_and_decays_by_its_place(name, exempt):
    for parameter, (scale, decay, ndim) in settings(read(name)).items():
        depth = depth_in_swin(parameter, [2, 2, 18, 2], merges_after_blocks=name == SWIN)
        assert scale == pytest.approx(0.9**(25 - depth)), parameter
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


@pytest.mark.parametrize('name', [SWIN, OWN])
def test_warm_up_and_straight_line_to_zero(name):
    config = read(name)
    lr, total = config.optim_wrapper.optimizer.lr, config.train_cfg.max_iters
    optimizer = optimizer_of(lr, lr / 10)
    optimizer.step()
    schedulers = [PARAM_SCHEDULERS.build(dict(end=total) | part, default_args=dict(optimizer=optimizer))
                  for part in config.param_scheduler]
    expected = {0: 1e-6, 750: 1e-6 + (1 - 1e-6) * 750 / 1499, 1500: 1.}
    expected.update({i: (total - 1 - i) / (total - 1 - 1500) for i in (total // 4, total // 2, total - 2, total - 1)})
    for iteration in range(total):
        if iteration in expected:
            for group, highest in zip(optimizer.param_groups, (lr, lr / 10)):
                assert group['lr'] == pytest.approx(highest * expected[iteration], rel=1e-6, abs=1e-15), iteration
        for scheduler in schedulers:
            scheduler.step()


def pictures(folder, names, generator):
    """Images of three colours in blocks, with the number of the colour for a label."""
    for name in names:
        blocks = generator.integers(0, 3, (4, 6)).repeat(12, 0).repeat(15, 1).astype(np.uint8)
        image = (blocks[..., None] * 100 + generator.integers(0, 50, (*blocks.shape, 3))).astype(np.uint8)
        yield folder / name, image, blocks


@pytest.fixture
def data_roots(tmp_path):
    """ADE20K's folders with labels 0 (none), 50, 100, and one's own with labels 0, 1 and 255 (none)."""
    generator = np.random.default_rng(0)
    layouts = dict(ade=(['images/training', 'images/validation'], 'annotations', [0, 50, 150]),
                   own=(['images/train', 'images/val'], 'labels', [0, 1, 255]))
    for root, (folders, label_folder, values) in layouts.items():
        for folder in folders:
            for path, image, blocks in pictures(tmp_path / root / folder, ['0', '1', '2', '3'], generator):
                label = Path(str(path).replace('images', label_folder, 1))
                path.parent.mkdir(parents=True, exist_ok=True)
                label.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(f'{path}.jpg')
                Image.fromarray(np.array(values, np.uint8)[blocks]).save(f'{label}.png')
    return {root: str(tmp_path / root) for root in layouts}


def smaller(size):
    return tuple(pixels // SMALLER for pixels in size)


def shrink(config, data_roots, tmp_path):
    """A config with little depth, width, pixels and data, that starts from a small file of the kind it expects."""
    model, vit = config.model, 'img_size' in config.model.backbone
    model.data_preprocessor.size = smaller(model.data_preprocessor.size)
    if vit:
        arch = dict(embed_dims=16, num_layers=12, num_heads=2, feedforward_channels=32)
        model.backbone.img_size //= SMALLER
        model.neck.embed_dim = 16
        model.test_cfg.update(crop_size=smaller(model.test_cfg.crop_size), stride=smaller(model.test_cfg.stride))
    else:
        arch = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    widths = [16] * 4 if vit else [8, 16, 32, 64]
    model.decode_head.update(in_channels=widths, channels=16)
    model.auxiliary_head.update(in_channels=widths[2], channels=16)
    for side in ('train', 'val', 'test'):
        loader = config[f'{side}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = data_roots['ade' if 'ADE' in loader.dataset.type else 'own']
        shrink_pipeline(loader.dataset.pipeline, smaller)
    shrink_pipeline(config.tta_pipeline, smaller)
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.param_scheduler[0].end = config.param_scheduler[1].begin = 1
    config.work_dir = str(tmp_path / 'work')
    start = tmp_path / 'start.pth'
    write_start(model.backbone.init_cfg.checkpoint, arch, start)
    model.backbone.update(arch=arch, init_cfg=dict(type='Pretrained', checkpoint=str(start)))
    return config


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_every_config_trains_and_predicts(path, data_roots, tmp_path):
    """As shipped but for depth, width, pixels and the amount of data: never the structure or the pipeline."""
    from mmengine.runner import Runner
    config = shrink(read(path), data_roots, tmp_path)
    config.experiment_name = path.stem
    runner = Runner.from_cfg(config)
    gradients = watch_gradients(runner.model)
    runner.train()
    history = runner.message_hub.log_scalars
    losses = [history[f'train/{name}'].current() for name in ('loss', 'decode.loss_ce', 'aux.loss_ce')]
    assert losses[0] == pytest.approx(losses[1] + losses[2], rel=1e-5) and 0 < losses[0] < 10
    assert 0 <= history['val/mIoU'].current() <= 100
    assert gradients.keys() == dict(runner.model.named_parameters()).keys()
    assert all(np.isfinite(gradient) and gradient > 0 for gradient in gradients.values())
    start = torch.load(config.model.backbone.init_cfg.checkpoint)['state_dict']
    moved = [(value - start[name]).abs().max() for name, value in runner.model.state_dict().items()
             if name in start and value.shape == start[name].shape]
    assert len(moved) > 0.75 * len(start) and max(moved) < 1e-2  # two steps away from there
    check_segmentor(config, runner.model, runner.val_dataloader.dataset.get_data_info(0)['img_path'])


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
                                'default_hooks.checkpoint.interval': 2})
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
    first = [path for path in CONFIGS if not path.stem.endswith('-ft1k')]
    assert sorted(rows) == [path.name for path in first]
    for name, row in rows.items():
        second = re.findall(r'\]\((.*?)\)', row)
        assert second == ([] if name == OWN else [name.replace('.py', '-ft1k.py')])
        assert settings_in_readme(name) in f'|{row}|'
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    assert sorted(model['Config'] for model in models) == [str(path.relative_to(ROOT)) for path in CONFIGS]
    for model in models:
        path = ROOT / model['Config']
        count = sum(p.numel() for p in build_without_memory(read(path)).parameters())
        assert model['Name'] == path.stem and model['Metadata']['Parameters'] == count
        if path in first:
            assert f'| {count / 1e6:.1f} M |' in rows[path.name]


def settings_in_readme(name):
    """What the README's row of a config should say between its name and the number of parameters."""
    config = read(name)
    backbone, decay = config.model.backbone, config.optim_wrapper.paramwise_cfg.layer_decay_rate
    lr = re.sub(r'e-0', 'e-', f'{config.optim_wrapper.optimizer.lr:.0e}')
    if name == OWN:
        return f'| Swin-T | your own pre-training on a folder | {config.train_dataloader.batch_size}, {lr} |'
    kind = backbone.type.removeprefix('mmsimmim.')
    kind = {'SwinTransformer': 'Swin', 'SwinTransformerV2': 'Swin V2', 'VisionTransformer': 'ViT'}[kind]
    windows = backbone.get('window_size', ())
    where = (f'blocks {", ".join(str(i + 1) for i in backbone.out_indices)}' if kind == 'ViT' else
             ', '.join(map(str, windows)) if isinstance(windows, tuple) else str(windows))
    crop = config.model.data_preprocessor.size[0]
    return (f'| {kind}-{backbone.arch[0].upper()}, {where} | {crop} px | '
            f'{lr}, {decay}, {backbone.drop_path_rate} |')


def test_options_in_the_readme_are_settings_of_the_configs():
    readme = (FOLDER / 'README.md').read_text()
    keys = set(re.findall(r'([a-z_]+(?:\.\w+)+)=', readme))
    config = read(SWIN)
    assert {'optim_wrapper.optimizer.lr', 'optim_wrapper.paramwise_cfg.layer_decay_rate',
            'model.backbone.drop_path_rate'} <= keys
    assert MISSING not in [value_at(config, key) for key in keys]
