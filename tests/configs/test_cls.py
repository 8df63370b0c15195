"""The shipped configs with labels against the official runs: numbers, logits from a pre-trained file, one real step."""

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
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.commands.common.auto_scale_lr import scale_lr
from mmsimmim.commands.common.runner import build_runner
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.errors import UserError
from mmsimmim.registry import DATASETS, MODELS
from tests.configs.downstream import build_without_memory, depth_in_swin, without_gradient
from tests.configs.downstream import settings as settings_by_our_names
from tests.configs.inferencers import check_classifier
from tests.configs.schedules import optimizer_of, rates
from tests.golden import DATA, below, load, relative_error

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'configs' / 'cls'
CONFIGS = sorted(FOLDER.glob('*.py'))
STUDY = [path for path in CONFIGS if path.stem.endswith(('-125k', '-250k', '-500k'))]
GOLDEN = json.loads((DATA / 'finetune.json').read_text())
SWIN_192 = 'swin-base-w6_16xb128-amp-coslr-100e_in1k-192px_simmim-100e.py'
SWIN_100E = 'swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-100e.py'
SWIN_800E = 'swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
SWIN_LARGE = 'swin-large-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
SWIN_V2 = 'swinv2-base-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
VIT = 'vit-base-p16_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
VIT_LINEAR = 'vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k-224px_simmim-800e.py'
SWIN_FOLDER = 'swin-base-w7_1xb64-amp-coslr-100e_folder-224px_simmim-800e.py'
TINY_FOLDER = 'swin-tiny-w7_1xb128-amp-coslr-100e_folder-224px_simmim-100e.py'
INAT = 'swin-base-w7_16xb128-amp-coslr-100e_inat2018-224px_simmim-800e.py'
V2_TINY = 'swinv2-tiny-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
V2_SMALL = 'swinv2-small-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
V2_LARGE = 'swinv2-large-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
V2_HUGE = 'swinv2-huge-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-800e.py'
V2_HUGE_512 = 'swinv2-huge-w32_32xb32-amp-fsdp-coslr-30e_in1k-512px_simmim-800e-ft1k.py'
V2_GIANT_1B = 'swinv2-giant-1b-w14_32xb64-amp-fsdp-coslr-100e_in1k-224px_simmim-500k.py'
V2_GIANT_192 = 'swinv2-giant-w12_128xb72-amp-fsdp-coslr-30e_folder-192px_simmim-20e.py'
V2_GIANT_640 = 'swinv2-giant-w40_64xb9-amp-fsdp-coslr-10e_in1k-640px_simmim-20e-sup-30e.py'
OTHER_RECIPES = [V2_HUGE_512, V2_GIANT_192, V2_GIANT_640]
# One of each structure is trained. The others are compared with it, by all but these settings.
LIKE = {V2_TINY: SWIN_V2, V2_SMALL: SWIN_V2, V2_LARGE: SWIN_V2, V2_GIANT_1B: V2_HUGE,
        **{path.name: re.sub('simmim-.*', 'simmim-500k.py' if 'giant' in path.stem else 'simmim-800e.py', path.name)
           for path in STUDY if path.name != V2_GIANT_1B}}
DISTINCT = [path for path in CONFIGS if path.name not in LIKE]
FINETUNING = [path for path in DISTINCT if 'linear' not in path.stem]
SIZES = dict(tiny=(0.85, 0.1), small=(0.8, 0.1), base=(0.75, 0.1), large=(0.7, 0.2), huge=(0.65, 0.3),
             **{'giant-1b': (0.65, 0.4)})  # of Swin V2: layer decay, drop path


@pytest.fixture(autouse=True)
def no_scope_stays():
    init_default_scope('mmpretrain')
    yield
    DefaultScope._instance_dict.clear()


@functools.cache
def read_once(path):
    return Config.fromfile(path)


def read(name):
    return copy.deepcopy(read_once(FOLDER / name))


def build(config):
    return MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor))


def settings(config):
    """[scale of the learning rate, weight decay] of every parameter by its official name."""
    model = build_without_memory(config)
    plain = {key: value for key, value in config.optim_wrapper.items() if key not in ('dtype', 'loss_scale')}
    plain['optimizer'] = dict(plain['optimizer'], fused=False)  # which PyTorch 2.4 has not on the meta device
    groups = build_optim_wrapper(model, dict(plain, type='OptimWrapper')).optimizer.param_groups
    lr = config.optim_wrapper.optimizer.lr
    found = [[group['lr'] / lr, group['weight_decay']] for group in groups]
    group_of = {id(parameter): number for number, group in enumerate(groups) for parameter in group['params']}
    numbered = {name: torch.tensor(group_of[id(parameter)]).expand(parameter.shape)
                for name, parameter in model.named_parameters()}
    return {name: found[number.flatten()[0]] for name, number in convert_state_dict(numbered, to='official').items()}


@pytest.mark.parametrize('name, golden', [
    (SWIN_192, 'swin_base_layer_decay_0.9'), (SWIN_100E, 'swin_base_layer_decay_0.9'),
    (VIT, 'vit_base_layer_decay_0.65')])
def test_every_parameter_learns_and_decays_as_officially(name, golden):
    found = settings(read(name))
    assert found == {name: pytest.approx(setting, rel=1e-9) for name, setting in GOLDEN[golden].items()}


@pytest.mark.parametrize('name, rate', [(SWIN_800E, 0.8), (SWIN_LARGE, 0.7)])
def test_layer_decay_of_the_longer_runs(name, rate):
    """Same depths and same decay of weights as the recorded Swin-B, another rate."""
    expected = {name: [rate**round(np.log(scale) / np.log(0.9)), decay]
                for name, (scale, decay) in GOLDEN['swin_base_layer_decay_0.9'].items()}
    assert settings(read(name)) == {
        name: pytest.approx(setting, rel=1e-9) for name, setting in expected.items()}


def test_swin_v2_exempts_what_the_official_keywords_name():
    """no_weight_decay_keywords in microsoft/Swin-Transformer's swin_transformer_v2.py: cpb_mlp, logit_scale, ..."""
    found = settings(read(SWIN_V2))
    flat = re.compile(r'bias$|norm\d?\.weight|norm\.weight')
    for name, (_, decay) in found.items():
        assert decay == (0 if flat.search(name) or 'cpb_mlp' in name or 'logit_scale' in name else 0.05), name
    assert {decay for name, (_, decay) in found.items() if 'cpb_mlp.0.weight' in name or 'logit_scale' in name} == {0}
    scales = {name: scale for name, (scale, _) in found.items()}
    assert scales['patch_embed.proj.weight'] == pytest.approx(0.75**25)
    assert scales['layers.0.downsample.reduction.weight'] == scales['layers.0.blocks.1.mlp.fc1.weight']
    assert scales['layers.2.blocks.17.attn.logit_scale'] == pytest.approx(0.75**3)
    assert scales['norm.weight'] == scales['head.weight'] == 1


@pytest.mark.parametrize('name, golden', [
    (SWIN_100E, 'lr/simmim_finetune__swin_base__img192_window6__100ep'),
    (VIT, 'lr/simmim_finetune__vit_base__img224__800ep')])
def test_learning_rate_equals_official_at_every_recorded_iteration(name, golden):
    """The highest rate; warm-up and last rate are the same for every layer."""
    official = GOLDEN[golden]
    expected = {int(iteration): rate for iteration, rate in official['lr_at_iteration'].items()}
    config = read(name)
    lr = config.optim_wrapper.optimizer.lr
    found = rates(dict(config.param_scheduler, end=config.train_cfg.max_epochs), optimizer_of(lr, lr / 10),
                  official['iters_per_epoch'], expected)
    assert {iteration: highest for iteration, (highest, _) in found.items()} == pytest.approx(expected, rel=1e-9)
    assert found[1] == [expected[1]] * 2
    assert config.train_cfg.max_epochs == official['epochs']
    assert config.auto_scale_lr.base_batch_size == official['batch_size']


@pytest.mark.parametrize('path', [path for path in FINETUNING if path.name not in OTHER_RECIPES],
                         ids=lambda path: path.stem)
def test_official_hyper_parameters(path):
    """Facts of the official configs/*.yaml and config.py, whatever the encoder."""
    config = read(path)
    total = config.auto_scale_lr.base_batch_size
    optimizer = dict(config.optim_wrapper.optimizer)
    assert optimizer.pop('lr') == pytest.approx(1.25e-3 * total / 512)
    assert optimizer == dict(type='AdamW', betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05, fused=True)
    assert config.optim_wrapper.clip_grad == dict(max_norm=5.0)
    assert config.optim_wrapper.dtype == 'bfloat16'
    assert config.param_scheduler.warmup_ratio == config.param_scheduler.min_ratio == 2.5e-7 / 1.25e-3
    assert config.param_scheduler.get('warmup_prefix', False) == ('swinv2' in path.stem)
    assert config.param_scheduler.warmup == 20 and config.train_cfg.max_epochs == 100
    assert config.model.backbone.drop_path_rate == (
        0.3 if 'huge' in path.stem else 0.2 if 'large' in path.stem else 0.1)
    assert config.model.train_cfg.augments == [dict(type='Mixup', alpha=0.8), dict(type='CutMix', alpha=1.0)]
    assert total == config.train_dataloader.batch_size * int(path.stem.split('_')[1].split('xb')[0])


def test_rates_scale_together():
    config = read(SWIN_100E)
    scale_lr(config, world_size=4)
    assert config.optim_wrapper.optimizer.lr == pytest.approx(1.25e-3)


def test_windows_shrink_to_the_maps():
    backbone = build_without_memory(read(SWIN_LARGE)).backbone
    attention = [stage.blocks[1].attn for stage in backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(14, 7), (14, 7), (14, 0), (7, 0)]


@pytest.mark.parametrize('name, count', [
    (SWIN_100E, 87_768_224), (SWIN_LARGE, 196_794_556), (SWIN_V2, 87_918_816), (VIT, 86_530_984)])
def test_parameter_counts_are_those_of_timm(name, count):
    """Of its swin_base_patch4_window7_224, swin_large (window 14), swinv2_base_window12 and beit_base_patch16_224."""
    assert sum(p.numel() for p in build_without_memory(read(name)).parameters()) == count


@pytest.mark.parametrize('name, gpus, optimizer, clip, decay, schedule, drop_path, images, batches_of', [
    (V2_HUGE_512, 32, (4e-5, 1e-8), 5.0, 1, (30, 5, 1e-3, 1e-2), 0.3, 512, ['Mixup', 'CutMix']),
    (V2_GIANT_192, 128, (1.4e-3, 0.1), 100.0, 0.87, (30, 20_000, 1e-3, 1e-2), 0.3, 192, []),
    (V2_GIANT_640, 64, (2.1e-5, 0.1), 100.0, 1, (10, 2, 1e-3, 1e-2), 0.5, 640, [])])
def test_published_settings_of_the_largest(name, gpus, optimizer, clip, decay, schedule, drop_path, images, batches_of):
    """Swin V2 paper, appendix A2.2 (G) and A1.2 (to a larger image); configs/swinv2 of microsoft/Swin-Transformer."""
    config = read(name)
    totals = {V2_HUGE_512: 1024, V2_GIANT_192: 9216, V2_GIANT_640: 576}
    assert config.auto_scale_lr.base_batch_size == gpus * config.train_dataloader.batch_size == totals[name]
    assert f'_{gpus}xb{config.train_dataloader.batch_size}-' in name
    assert (config.optim_wrapper.optimizer.lr, config.optim_wrapper.optimizer.weight_decay) == optimizer
    assert config.optim_wrapper.clip_grad == dict(max_norm=clip)
    assert config.optim_wrapper.paramwise_cfg.layer_decay_rate == decay
    scheduler = config.param_scheduler
    found = (config.train_cfg.max_epochs, scheduler.warmup, scheduler.warmup_ratio, scheduler.min_ratio)
    assert found == pytest.approx(schedule) and scheduler.warmup_prefix
    assert scheduler.get('convert_to_iter_based', False) == scheduler.get('by_epoch', True) == (scheduler.warmup < 100)
    assert config.model.backbone.drop_path_rate == drop_path
    assert config.model.backbone.img_size == images and f'-{images}px' in name
    assert [augment.type for augment in config.model.train_cfg.get('augments', [])] == batches_of


def test_warm_up_of_the_giant_in_iterations():
    """Of the second stage, ended soon after its warm-up: linear to 1.4e-3, then a cosine to a hundredth of it."""
    config = read(V2_GIANT_192)
    found = rates(dict(config.param_scheduler, end=22_000), optimizer_of(1.4e-3, 1.4e-4), None,
                  [1, 10_001, 20_001, 21_001, 22_001])
    assert [rate for rate, _ in found.values()] == pytest.approx([1.4e-6, 7.007e-4, 1.4e-3, 7.07e-4, 1.4e-5])
    assert [rate for _, rate in found.values()] == pytest.approx([1.4e-6, 7.07e-5, 1.4e-4, 7.7e-5, 1.4e-5])


@pytest.mark.parametrize('name', LIKE)
def test_the_rest_of_a_family_differs_in_its_size_and_checkpoint_alone(name):
    own, other = (read(each).to_dict() for each in (name, LIKE[name]))
    size = re.match('swinv2-(.*)-w14', name)[1]
    own_size, _ = take_size(own), take_size(other)
    assert own_size == (size, *SIZES[size], dict(tiny=768, small=768, base=1024, large=1536, huge=2816).get(size, 3584))
    assert own == other


def take_size(config):
    """Remove architecture, layer decay, drop path, channels and checkpoint; the first four are returned."""
    backbone = config['model']['backbone']
    backbone['init_cfg'].pop('checkpoint')
    return (backbone.pop('arch'), config['optim_wrapper']['paramwise_cfg'].pop('layer_decay_rate'),
            backbone.pop('drop_path_rate'), config['model']['head'].pop('in_channels'))


@pytest.mark.parametrize('name', [V2_HUGE, V2_GIANT_192])
def test_layer_decay_of_the_largest_with_their_extra_norms(name):
    config = read(name)
    rate = config.optim_wrapper.paramwise_cfg.layer_decay_rate
    depths = [2, 2, 42, 4] if name == V2_GIANT_192 else [2, 2, 18, 2]
    found = settings_by_our_names(config)
    for name, (scale, decay, ndim) in found.items():
        expected = rate**(sum(depths) + 1 - depth_in_swin(name, depths, merges_after_blocks=False))
        assert scale == pytest.approx(expected, rel=1e-9), name
        exempt = ndim == 1 or 'cpb_mlp' in name or 'logit_scale' in name
        assert decay == (0 if exempt else config.optim_wrapper.optimizer.weight_decay), name
    extra = [name for name in found if re.search(r'blocks\.\d+\.norm3\.weight', name)]
    assert extra == [f'backbone.stages.2.blocks.{block}.norm3.weight' for block in range(5, depths[2], 6)]
    assert found[extra[0]][0] == pytest.approx(rate**(sum(depths) + 1 - 10))  # four blocks before the stage, six in it
    assert found['backbone.norm3.weight'][0] == 1


@pytest.mark.parametrize('name, windows, shifts', [
    (V2_TINY, [14, 14, 14, 7], [7, 7, 0, 0]), (V2_HUGE, [14, 14, 14, 7], [7, 7, 0, 0]),
    (V2_HUGE_512, [32, 32, 32, 16], [16, 16, 0, 0]), (V2_GIANT_192, [12, 12, 12, 6], [6, 6, 0, 0]),
    (V2_GIANT_640, [40, 40, 40, 20], [20, 20, 0, 0])])
def test_windows_of_swin_v2_divide_every_map(name, windows, shifts):
    config = read(name)
    attention = [stage.blocks[1].attn for stage in build_without_memory(config).backbone.stages]
    assert [layer.window_size for layer in attention] == windows and [layer.shift for layer in attention] == shifts
    assert [layer.w_msa.pretrained_window_size for layer in attention] == [12, 12, 12, 6]
    assert all(config.model.backbone.img_size // (4 * 2**i) % window == 0 for i, window in enumerate(windows))


@pytest.mark.parametrize('name, count, digit', [
    (V2_HUGE, 658e6, 1e6), (V2_HUGE_512, 658e6, 1e6), (V2_GIANT_640, 3.0e9, 1e8), (V2_GIANT_1B, 1.06e9, 1e7)])
def test_published_parameter_counts_of_the_largest(name, count, digit):
    """Swin V2 paper; MODELHUB.md for "g"."""
    found = sum(p.numel() for p in build_without_memory(read(name)).parameters())
    assert found == pytest.approx(count, abs=digit / 2)


@pytest.mark.parametrize('path', FINETUNING, ids=lambda path: path.stem)
def test_official_augmentation(path):
    config = read(path)
    size = int(re.search(r'-(\d+)px', path.stem)[1])
    assert config.train_dataloader.dataset.pipeline == [
        dict(type='mmsimmim.SeedSample'),
        dict(type='mmsimmim.LoadImage'),
        dict(type='RandomResizedCrop', scale=size, backend='pillow', interpolation='bicubic'),
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='RandAugment', policies='timm_increasing', num_policies=2, total_level=10, magnitude_level=9,
             magnitude_std=0.5, hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic')),
        dict(type='RandomErasing', erase_prob=0.25, mode='rand', min_area_ratio=0.02, max_area_ratio=1 / 3,
             fill_color=[103.53, 116.28, 123.675], fill_std=[57.375, 57.12, 58.395]),
        dict(type='PackInputs')
    ]


@pytest.mark.parametrize('name, size, crop', [
    (SWIN_192, 192, True), (VIT, 224, True), (SWIN_FOLDER, 224, True), (VIT_LINEAR, 224, True), (INAT, 224, True),
    (V2_GIANT_192, 192, True), (V2_HUGE_512, 512, False), (V2_GIANT_640, 640, False)])
@pytest.mark.parametrize('shape', [(203, 334), (300, 257)])
def test_tested_images_are_the_official_ones(name, size, crop, shape, tmp_path):
    """build_transform in the official data_finetune.py, from a file on disk to what the encoder sees.

    Without the crop, the one of microsoft/Swin-Transformer's data/build.py with TEST.CROP False, as for 384 px.
    """
    from torchvision.transforms import CenterCrop, InterpolationMode, Normalize, Resize, ToTensor
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    image.save(tmp_path / 'image.png')
    resize = [Resize(int(256 / 224 * size), InterpolationMode.BICUBIC), CenterCrop(size)] if crop else [
        Resize((size, size), InterpolationMode.BICUBIC)]
    steps = [*resize, ToTensor(), Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    for step in steps:
        image = step(image)
    config = read(name)
    packed = Compose(config.test_dataloader.dataset.pipeline)(dict(img_path=str(tmp_path / 'image.png')))
    preprocessor = MODELS.build(dict(config.data_preprocessor, type='mmpretrain.ClsDataPreprocessor'))
    seen = preprocessor(dict(inputs=packed['inputs'][None]))['inputs'][0]
    torch.testing.assert_close(seen, image, atol=1e-5, rtol=0)


def test_mixed_and_smoothed_labels_give_the_loss_of_timm():
    from timm.data.mixup import mixup_target
    from timm.loss import SoftTargetCrossEntropy
    loss = MODELS.build(read(SWIN_100E).model.head.loss)
    logits, labels = torch.randn(6, 10, dtype=torch.float64), torch.tensor([0, 3, 9, 9, 1, 5])
    hard = torch.nn.functional.one_hot(labels, 10).double()
    expected = SoftTargetCrossEntropy()(logits, mixup_target(labels, 10, lam=0.3, smoothing=0.1).double())
    torch.testing.assert_close(loss(logits, 0.3 * hard + 0.7 * hard.flip(0)), expected, rtol=1e-6, atol=0)


def official_file(tmp_path, arrays):
    """A checkpoint as the official code writes it, in double precision."""
    file = str(tmp_path / 'official.pth')
    torch.save(dict(model=arrays, optimizer={}, epoch=799), file)
    return file


def finetuned(config, file, head):
    """A classifier that has read an official file, in double precision, and has the recorded new parameters."""
    config.model.backbone.init_cfg.checkpoint = file
    config.model.head.num_classes = 10
    model = build(config).double().eval()
    model.init_weights()
    new = convert_state_dict(head, to='mmsimmim') if 'fc_norm.weight' in head else {
        f'head.fc.{name}': value for name, value in head.items()}
    for name, value in new.items():
        model.get_parameter(name).data.copy_(value)
    return model


def test_swin_logits_equal_official(tmp_path):
    golden = below(load('finetune.npz'), 'swin_finetune/')
    config = read(SWIN_800E)
    config.model.backbone.arch = dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    config.model.head.in_channels = 32
    model = finetuned(config, official_file(tmp_path, below(golden, 'pretrained/')), below(golden, 'head/'))
    assert relative_error(model(golden['input']), golden['logits']) < 1e-6


@pytest.mark.parametrize('case, size', [('same', 96), ('larger', 128)])
def test_vit_logits_equal_official(case, size, tmp_path):
    arrays = load('finetune.npz')
    golden = below(arrays, f'vit_finetune_{case}/')
    config = read(VIT)
    config.model.backbone.update(
        arch=dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64), img_size=size)
    config.model.head.in_channels = 16
    model = finetuned(config, official_file(tmp_path, below(arrays, 'vit_finetune/pretrained/')), below(golden, 'new/'))
    assert relative_error(model(golden['input']), golden['logits']) < 1e-6


@pytest.fixture
def images(tmp_path):
    """Three classes in folders, and the lists of ImageNet and iNaturalist over the same files."""
    generator = np.random.default_rng(0)
    for side in ('train', 'val'):
        lines = []
        for i in range(6):
            path = tmp_path / 'images' / side / 'abc'[i % 3] / f'{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (40, 60, 3), np.uint8)).save(path)
            lines.append(f'{path.parent.name}/{path.name} {i % 3}')
        (tmp_path / 'images' / 'meta').mkdir(exist_ok=True)
        (tmp_path / 'images' / 'meta' / f'{side}.txt').write_text('\n'.join(lines))
        (tmp_path / 'images' / f'{side}2018.json').write_text(json.dumps(dict(
            images=[dict(id=i, file_name=f'{side}/{line[:-2]}') for i, line in enumerate(lines)],
            annotations=[dict(image_id=i, category_id=i % 3) for i in range(6)],
            categories=[dict(id=i, name=f'species {i}') for i in range(8142)])))
    return str(tmp_path / 'images')


def shrink(config, images, tmp_path):
    """A config with little depth, width and data, and one short epoch, from a file of its own encoder."""
    vit = config.model.backbone.type == 'mmsimmim.VisionTransformer'
    extra_norm = dict(extra_norm_every_n_blocks=2) if config.model.backbone.arch in ('huge', 'giant') else {}
    config.model.backbone.arch = (
        dict(embed_dims=8, num_layers=12, num_heads=2, feedforward_channels=16) if vit else
        dict(embed_dims=8, depths=[2, 1, 1, 1], num_heads=[1, 2, 2, 4], **extra_norm))
    if config.model.backbone.img_size > 224:
        shrink_images(config)
    config.model.head.in_channels = 8 if vit else 64
    if 'neck' in config.model and isinstance(config.model.neck, list):
        config.model.neck[1].input_features = 8
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=images, indices=2)
    if config.train_dataloader.dataset.type == 'mmsimmim.LabelledImageFolder':
        config.model.head.num_classes = config.data_preprocessor.num_classes = 3
    config.train_cfg.max_epochs = 1
    config.param_scheduler.update(warmup=0)
    config.work_dir = str(tmp_path / 'work')
    start = str(tmp_path / 'pretrained.pth')
    if config.load_from:
        weights, config.load_from = build(config).state_dict(), start
    else:
        encoder = MODELS.build(dict(config.model.backbone, init_cfg=None, frozen_stages=-1)).state_dict()
        weights = {f'backbone.{name}': value for name, value in encoder.items()}
        config.model.backbone.init_cfg.checkpoint = start
    torch.save(dict(state_dict={name: torch.randn_like(value) / 20 for name, value in weights.items()}), start)
    return config


def shrink_images(config):
    """128 px in windows of 8: in each stage as many windows as with 512 px and 32, or 640 px and 40."""
    backbone = config.model.backbone
    assert backbone.img_size // backbone.window_size == 16
    backbone.update(img_size=128, window_size=8)
    for side in ('train', 'val'):
        for step in config[f'{side}_dataloader'].dataset.pipeline:
            if step.type in ('RandomResizedCrop', 'Resize'):
                step.scale = 128 if side == 'train' else (128, 128)


@pytest.mark.parametrize('path', DISTINCT, ids=lambda path: path.stem)
def test_config_trains_and_validates(path, images, tmp_path):
    """As shipped but for depth, width, large images and the amount of data: never the structure or the schedule."""
    config = shrink(read(path), images, tmp_path)
    config.experiment_name = path.stem
    config.model.backbone.drop_path_rate = 0.  # by chance it drops a block for both images
    before = torch.load(config.load_from or config.model.backbone.init_cfg.checkpoint)['state_dict']
    assert any('blocks.1.norm3' in name for name in before) == ('-huge-' in path.stem or '-giant-' in path.stem)
    runner = build_runner(config, training=True)
    runner.train()
    assert runner.iter == 1
    history = runner.message_hub.log_scalars
    assert 0 < history['train/loss'].current() < 10
    assert 0 <= history['val/accuracy/top1'].current() <= 100
    changes = {name: (value - before[name]).abs().max() for name, value in runner.model.state_dict().items()
               if name in before}
    assert len(changes) == len(before) and max(changes.values()) < 0.01
    assert (max(changes.values()) == 0) == ('linear' in path.stem)
    if 'linear' not in path.stem:
        assert without_gradient(runner.model, runner.optim_wrapper.optimizer) == []
    check_classifier(config, runner.model, f'{images}/val/a/0.png')


def test_the_linear_probe_is_the_average_of_patches_after_block_8(images, tmp_path):
    config = shrink(read(VIT_LINEAR), images, tmp_path)
    model = build(config).eval()
    model.init_weights()
    tokens = []
    hook = model.backbone.layers[7].register_forward_hook(lambda module, args, output: tokens.append(output))
    pixels = torch.randn(3, 3, 224, 224)
    features = model.extract_feat(pixels)[-1]
    hook.remove()
    averages = tokens[0][:, 1:].mean(dim=1)
    torch.testing.assert_close(features, averages / (1 + 1e-6)**0.5)  # the norm has seen no batch
    torch.testing.assert_close(model.train().extract_feat(pixels)[-1].mean(dim=0), torch.zeros(8), atol=1e-5, rtol=0)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ['head.fc.weight', 'head.fc.bias']
    assert config.optim_wrapper.optimizer.lr == 0.1 * config.auto_scale_lr.base_batch_size / 256


@pytest.mark.parametrize('name', [SWIN_FOLDER, TINY_FOLDER, V2_GIANT_192, INAT])
def test_own_folder_and_number_of_classes_are_two_options(name):
    config = read_with_options(str(FOLDER / name), dict(data_root='/data/flowers', num_classes=102))[0]
    assert {config[f'{side}_dataloader'].dataset.data_root for side in ('train', 'val', 'test')} == {'/data/flowers'}
    assert config.model.head.num_classes == config.data_preprocessor.num_classes == 102


@pytest.mark.parametrize('path', [path for path in DISTINCT if 'in1k' in path.stem], ids=lambda path: path.stem)
def test_the_number_of_classes_reaches_the_head(path):
    config, messages = read_with_options(str(path), dict(num_classes=21_841))
    assert config.model.head.num_classes == config.data_preprocessor.num_classes == 21_841
    assert len(messages) == 1


def test_another_number_of_classes_stops_the_run(images, tmp_path):
    from mmengine.runner import Runner
    config = shrink(read(TINY_FOLDER), images, tmp_path)
    config.model.head.num_classes = 12
    with pytest.raises(UserError, match=r'3 classes \(a, b, c\), but model.head.num_classes is 12. Set num_classes=3'):
        Runner.from_cfg(config).train()


def test_readme_and_metafile_know_every_config():
    readme = (FOLDER / 'README.md').read_text()
    assert sorted(re.findall(r'\]\(([^)/]+\.py)\)', readme)) == [path.name for path in CONFIGS]
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    assert sorted(model['Config'] for model in models) == [str(path.relative_to(ROOT)) for path in CONFIGS]
    for model in models:
        assert model['Name'] == Path(model['Config']).stem
        count = sum(p.numel() for p in build_without_memory(read(ROOT / model['Config'])).parameters())
        assert model['Metadata']['Parameters'] == count
    assert 'configs/cls/metafile.yml' in (ROOT / 'model-index.yml').read_text()


@pytest.mark.parametrize('size, accuracies', [
    ('small', '82.92 83.66 84.08'), ('base', '84.13 84.65 85.04'), ('large', '84.98 85.45 85.91'),
    ('huge', '85.23 85.90 86.34'), ('giant-1b', '85.57 86.12 86.46')])
def test_published_accuracies_of_the_study(size, accuracies):
    """MODELHUB.md of microsoft/Swin-Transformer: ImageNet-1K, 125k, 250k and 500k iterations; none is measured here."""
    rows = re.findall(rf'\]\((swinv2-{size}-w14\S+k)\.py\).*\| ([\d.]+) \| not run \|$',
                      (FOLDER / 'README.md').read_text(), re.M)
    assert [name.split('-')[-1] for name, _ in rows] == ['125k', '250k', '500k']
    assert [accuracy for _, accuracy in rows] == accuracies.split()


def blocks_of_the_docs():
    """Those that are configs or parts of one."""
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs' / 'finetuning.md').read_text(), re.S)
    return [block for block in blocks if not block.startswith('from ')]


def test_one_folder_is_divided_as_the_docs_say(images, tmp_path):
    text = blocks_of_the_docs()[0].replace('configs/', f'{ROOT}/configs/').replace('/data/flowers', f'{images}/train')
    (tmp_path / 'own.py').write_text(text)
    config = Config.fromfile(tmp_path / 'own.py')
    sides = [DATASETS.build(config[f'{side}_dataloader'].dataset) for side in ('train', 'val', 'test')]
    assert [side.metainfo['classes'] for side in sides] == [('a', 'b', 'c')] * 3
    assert len(sides[0]) + len(sides[1]) == 6 and len(sides[1]) == len(sides[2]) > 0


def test_layer_decay_in_a_detector_as_the_docs_say(tmp_path):
    base = "_base_ = 'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py'\n"
    (tmp_path / 'detector.py').write_text(base + blocks_of_the_docs()[1])
    optim_wrapper = Config.fromfile(tmp_path / 'detector.py').optim_wrapper
    encoder = MODELS.build(dict(type='mmsimmim.SwinTransformer', arch=dict(
        embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4])))
    plain = {key: value for key, value in optim_wrapper.items() if key not in ('dtype', 'loss_scale')}
    groups = build_optim_wrapper(encoder, dict(plain, type='OptimWrapper')).optimizer.param_groups
    assert (groups[0]['lr'], groups[-1]['lr']) == (pytest.approx(1e-4 * 0.9**5), 1e-4)
    assert {group['weight_decay'] for group in groups} == {0, 0.05}


def test_windows_of_swin_v2_as_the_docs_say():
    config = Config.fromstring(blocks_of_the_docs()[2], '.py').backbone
    with torch.device('meta'):
        backbone = MODELS.build(config)
    assert [stage.blocks[0].attn.w_msa.pretrained_window_size for stage in backbone.stages] == [12, 12, 12, 6]


@pytest.mark.parametrize('name', [
    SWIN_100E, SWIN_800E, SWIN_LARGE, SWIN_V2, VIT, TINY_FOLDER, V2_TINY, V2_SMALL, V2_LARGE, V2_HUGE, V2_GIANT_192])
def test_shares_of_the_rate_in_the_docs(name):
    """Patch embedding, first block, block in the middle, last block, head."""
    config = read(name)
    backbone = build_without_memory(config).backbone
    rate, num_depths = config.optim_wrapper.paramwise_cfg.layer_decay_rate, backbone.get_layer_depth('', 'x')[1]
    shares = [f'{rate**(num_depths - 1 - depth):.2g}'
              for depth in (0, 1, (num_depths - 2) // 2, num_depths - 2, num_depths - 1)]
    rows = re.findall(r'\| ([\w -]+), ([\d.]+) \| (.*) \|\n', (ROOT / 'docs' / 'finetuning.md').read_text())
    encoder = {SWIN_LARGE: 'Swin-L', SWIN_V2: 'Swin V2-B', VIT: 'ViT-B', TINY_FOLDER: 'Swin-T', V2_TINY: 'Swin V2-T',
               V2_SMALL: 'Swin V2-S', V2_LARGE: 'Swin V2-L', V2_HUGE: 'Swin V2-H', V2_GIANT_192: 'Swin V2-G'
               }.get(name, 'Swin-B')
    assert (encoder, str(rate), ' | '.join(shares)) in rows


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_default_checkpoint_is_what_our_training_writes_or_an_official_file(path):
    config = read(path)
    checkpoint = config.load_from or config.model.backbone.init_cfg.checkpoint
    if not checkpoint.startswith('simmim_pretrain__'):
        _, run, file = checkpoint.split('/')
        training = Config.fromfile(ROOT / 'configs' / ('pretrain' if run.startswith('simmim') else 'cls') / f'{run}.py')
        length = training.train_cfg
        assert file == (f'epoch_{length.max_epochs}.pth' if 'max_epochs' in length else f'iter_{length.max_iters}.pth')
        encoder, trained = (re.match(r'(?:simmim_)?(.*?)-[wp]\d', stem)[1] for stem in (path.stem, run))
        assert encoder == trained
        if run.startswith('simmim'):
            assert path.stem.split('_simmim-')[1] == re.search(r'-(\d+[ek])_', run)[1]
