"""The shipped pre-training configs against the official runs: names, numbers and one real step each."""

import json
import re

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS, TRANSFORMS
from tests.configs.pretraining import (
    FOLDER,
    build_without_memory,
    count_parameters,
    shrink,
    train_and_validate,
    write_images,
)
from tests.configs.schedules import optimizer_of, rates
from tests.golden import DATA

CONFIGS = sorted(FOLDER.glob('*.py'))
GOLDEN = json.loads((DATA / 'finetune.json').read_text())
SWIN_BASE_100E = 'simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'
SWIN_BASE_800E = 'simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px.py'
VIT_BASE_800E = 'simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px.py'
SWIN_V2_BASE_800E = 'simmim_swinv2-base-w12_16xb128-amp-steplr-800e_in1k-192px.py'
SWIN_V2_GIANT = 'simmim_swinv2-giant-w12_128xb72-amp-fsdp-coslr-20e_folder-192px.py'
SWIN_V2_HUGE_125K = 'simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-125k_in1k-192px.py'


def load(name):
    return Config.fromfile(FOLDER / name)


@pytest.mark.parametrize('name, golden', [
    (SWIN_BASE_100E, 'lr/simmim_pretrain__swin_base__img192_window6__100ep'),
    (SWIN_BASE_800E, 'lr/simmim_pretrain__swin_base__img192_window6__800ep'),
    (VIT_BASE_800E, 'lr/simmim_pretrain__vit_base__img224__800ep'),
    (SWIN_V2_BASE_800E, 'lr/simmim_pretrain__swin_base__img192_window6__800ep'),  # the same schedule
])
def test_learning_rate_equals_official_at_every_recorded_iteration(name, golden):
    official = GOLDEN[golden]
    expected = {int(iteration): rate for iteration, rate in official['lr_at_iteration'].items()}
    config = load(name)
    found = rates(dict(config.param_scheduler, end=config.train_cfg.max_epochs),
                  optimizer_of(config.optim_wrapper.optimizer.lr), official['iters_per_epoch'], expected)
    assert {iteration: rate for iteration, (rate, ) in found.items()} == pytest.approx(expected, rel=1e-9)
    assert config.train_cfg.max_epochs == official['epochs']
    assert config.auto_scale_lr.base_batch_size == official['batch_size']


@pytest.mark.parametrize('name, golden', [(SWIN_BASE_100E, 'swin_base_pretrain_no_decay'),
                                          (VIT_BASE_800E, 'vit_base_pretrain_no_decay')])
def test_parameters_without_weight_decay_are_the_official_ones(name, golden):
    exempt, decayed = by_weight_decay(load(name))
    marked = {name: torch.tensor(float(name in exempt)).expand(parameter.shape)
              for name, parameter in {**exempt, **decayed}.items()}
    official = convert_state_dict(marked, to='official')
    assert len(official) == len(marked)
    assert {name for name, mark in official.items() if mark.any()} == set(GOLDEN[golden])


def test_weight_decay_of_swin_v2():
    """Derived, as no run was recorded: flat ones and the mask token are exempt by the official optimizer.py.

    Its keywords cpb_mlp and logit_scale get the prefix 'encoder.' and so are part of no name.
    """
    exempt, decayed = by_weight_decay(load(SWIN_V2_BASE_800E))
    assert {name for name, parameter in exempt.items() if parameter.ndim > 1} == {'backbone.mask_token'}
    assert all(parameter.ndim > 1 for parameter in decayed.values())
    ends = {name.split('attn.w_msa.')[-1] for name in decayed if 'attn' in name}
    assert ends == {'qkv.weight', 'proj.weight', 'logit_scale', 'cpb_mlp.0.weight', 'cpb_mlp.2.weight'}


def by_weight_decay(config):
    """Names and parameters that the config exempts, and those that it does not."""
    model = build_without_memory(config)
    wrapper = build_optim_wrapper(model, _plain(config.optim_wrapper))
    decay = {id(parameter): group['weight_decay'] for group in wrapper.optimizer.param_groups
             for parameter in group['params']}
    assert set(decay.values()) == {0, 0.05}
    named = dict(model.named_parameters())
    return tuple({name: parameter for name, parameter in named.items() if decay[id(parameter)] == wanted}
                 for wanted in (0, 0.05))


def _plain(optim_wrapper):
    """Without AMP, which wants a real device, and fused kernels, which PyTorch 2.4 has not on the meta device."""
    plain = {key: value for key, value in optim_wrapper.items() if key not in ('dtype', 'loss_scale')}
    return dict(plain, type='OptimWrapper', optimizer=dict(optim_wrapper.optimizer, fused=False))


@pytest.mark.parametrize('path', [path for path in CONFIGS if path.name != SWIN_V2_GIANT], ids=lambda path: path.stem)
def test_official_hyper_parameters(path):
    """Facts of the official configs/*.yaml, data/data_simmim.py and optimizer.py, whatever the encoder."""
    config = Config.fromfile(path)
    per_512 = 2e-4 if '100e' in path.stem else 1e-4
    total = config.auto_scale_lr.base_batch_size
    optimizer = dict(config.optim_wrapper.optimizer)
    assert optimizer.pop('lr') == pytest.approx(per_512 * total / 512)
    assert optimizer == dict(type='AdamW', betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05, fused=True)
    assert config.optim_wrapper.clip_grad == dict(max_norm=5.0)
    assert config.optim_wrapper.dtype == 'bfloat16'
    epochs = 625 if config.train_cfg.type == 'mmsimmim.IterBasedTrainLoop' else 1
    length = config.train_cfg.get('max_epochs') or config.train_cfg.max_iters
    assert f'{length}e' in path.stem or f'-{length // 1000}k_' in path.stem
    assert config.param_scheduler.warmup == 10 * epochs
    assert config.param_scheduler.get('milestones') == (None if '100e' in path.stem else [length * 7 // 8])
    assert config.model.backbone.drop_path_rate == (0.1 if 'swinv2' in path.stem or 'vit' in path.stem else 0)
    gpus, images = re.search(r'_(\d+)xb(\d+)-', path.stem).groups()
    assert config.train_dataloader.batch_size == int(images) and total == int(images) * int(gpus)
    assert config.train_dataloader.persistent_workers


def test_published_settings_of_the_giant():
    """Swin V2 paper, appendix A2.2; the ends of the curve as in swinv2_large_patch4_window12_192_22k.yaml."""
    config = load(SWIN_V2_GIANT)
    assert config.auto_scale_lr.base_batch_size == 128 * config.train_dataloader.batch_size == 9216
    assert config.optim_wrapper.optimizer == dict(load(SWIN_V2_BASE_800E).optim_wrapper.optimizer, lr=1.4e-3,
                                                  weight_decay=0.1)
    assert config.optim_wrapper.clip_grad == dict(max_norm=100.0)
    assert config.train_cfg.max_epochs == 20 and config.param_scheduler == dict(
        type='mmsimmim.WarmupCosineLR', warmup=30_000, warmup_ratio=1.25e-7 / 1.25e-4, min_ratio=1.25e-6 / 1.25e-4,
        warmup_prefix=True, by_epoch=False)
    model = load(SWIN_V2_BASE_800E).model
    model.backbone.update(arch='giant', with_cp=True)
    model.neck.in_channels = 4096
    assert config.model == model


def test_the_giant_holds_out_one_image_in_a_thousand_of_its_folder():
    config = read_with_options(str(FOLDER / SWIN_V2_GIANT), dict(data_root='/data/all'))[0]
    for side in ('train', 'val'):
        dataset = config[f'{side}_dataloader'].dataset
        assert (dataset.data_root, dataset.split, dataset.val_ratio) == ('/data/all', side, 0.001)


def test_a_warm_up_that_is_longer_than_the_run_says_what_to_set(images, tmp_path):
    config = shrink(load(SWIN_V2_GIANT), images, tmp_path / 'work')
    config.param_scheduler.warmup = 30_000
    with pytest.raises(UserError, match='30000 iterations of warm-up do not fit .* set param_scheduler.warmup'):
        train_and_validate(config)
    DefaultScope._instance_dict.clear()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_official_pipeline(path):
    config = Config.fromfile(path)
    size, patch = (224, 16) if 'vit' in path.stem else (192, 4)
    mask = dict(type='mmsimmim.SimMIMMaskGenerator', input_size=size, mask_patch_size=32, model_patch_size=patch,
                mask_ratio=0.6)
    assert path.stem.endswith(f'{size}px') and config.model.backbone.img_size == size
    assert config.train_dataloader.dataset.pipeline == [
        dict(type='mmsimmim.LoadRandomResizedCrop', scale=size, crop_ratio_range=(0.67, 1.0), flip_prob=0.5),
        dict(type='mmsimmim.PackImage')
    ]
    assert config.train_dataloader.collate_fn == dict(type='mmsimmim.collate_masked', mask=mask)
    assert dict(mask, seed=0) in config.val_dataloader.dataset.pipeline
    assert config.data_preprocessor == dict(
        type='mmsimmim.SimMIMDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True)
    assert config.model.get('target_generator') == (
        dict(type='mmsimmim.NormalizedPixelTarget', window_size=47) if 'swinv2' in path.stem else None)
    assert config.model.head == dict(
        type='mmsimmim.SimMIMHead', patch_size=patch,
        loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_an_option_for_the_mask_reaches_training_and_validation(path):
    before = [dict(step) for step in Config.fromfile(path).val_dataloader.dataset.pipeline]
    config = read_with_options(str(path), {'mask.mask_ratio': 0.4, 'mask.type': 'mmsimmim.SquareMaskGenerator'})[0]
    masks = [step for step in config.val_dataloader.dataset.pipeline if 'mask_ratio' in step]
    assert config.train_dataloader.collate_fn.mask == config.mask and masks == [dict(config.mask, seed=0)]
    assert config.mask.mask_ratio == 0.4 and config.mask.type == 'mmsimmim.SquareMaskGenerator'
    assert [step for step in config.val_dataloader.dataset.pipeline if 'mask_ratio' not in step] == [
        step for step in before if 'mask_ratio' not in step]


def test_preprocessed_images_are_those_of_torchvision(tmp_path):
    """ToTensor and Normalize of the official pipeline, from a file on disk to what the encoder sees."""
    from torchvision.transforms.functional import normalize, to_tensor
    config = load(SWIN_BASE_100E)
    init_default_scope('mmpretrain')
    pixels = np.random.default_rng(0).integers(0, 256, (192, 192, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'image.png')
    loaded = TRANSFORMS.build(dict(type='mmsimmim.LoadImage'))(dict(img_path=str(tmp_path / 'image.png')))['img']
    preprocessor = MODELS.build(config.data_preprocessor)
    batch = dict(inputs=torch.from_numpy(loaded).permute(2, 0, 1)[None], data_samples=None)
    seen = preprocessor(batch)['inputs'][0]
    expected = normalize(to_tensor(pixels), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)


def test_parameter_count_of_swin_base_is_the_published_one():
    # mmpretrain's model zoo gives 89,874,104 for the encoder with the linear head
    assert count_parameters(build_without_memory(load(SWIN_BASE_100E))) == 89_874_104


def test_swin_large_has_the_official_windows():
    model = build_without_memory(load('simmim_swin-large-w12_16xb128-amp-steplr-800e_in1k-192px.py'))
    attention = [stage.blocks[1].attn for stage in model.backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6), (12, 6), (12, 0), (6, 0)]


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / 'images')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_trains_and_validates(path, images, tmp_path):
    """As shipped but for depth, width and the amount of data: never the structure, the pipeline or the schedule."""
    config = shrink(Config.fromfile(path), images, tmp_path / 'work')
    config.experiment_name = path.stem
    assert 'reconstruction' in config.default_hooks
    train_and_validate(config)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_neck_takes_what_the_encoder_gives(path):
    config = Config.fromfile(path)
    model = build_without_memory(config)
    norm = model.backbone.ln1 if 'vit' in path.stem else model.backbone.norm3
    assert model.neck.decoder[0].in_channels == norm.normalized_shape[0]
    assert config.model.neck.encoder_stride == (16 if 'vit' in path.stem else 32)


@pytest.mark.parametrize('name, millions', [
    (VIT_BASE_800E, 85.7), (SWIN_V2_BASE_800E, 86.9), (SWIN_V2_HUGE_125K, 655),
    ('simmim_swinv2-small-w12_16xb128-amp-steplr-800e_in1k-192px.py', 49),
    ('simmim_swinv2-large-w12_16xb128-amp-steplr-800e_in1k-192px.py', 195),
    ('simmim_swinv2-giant-1b-w12_32xb64-amp-fsdp-steplr-125k_in1k-192px.py', 1061), (SWIN_V2_GIANT, 2998)])
def test_parameter_counts_of_encoders(name, millions):
    """Swin V2: sizes in MODELHUB.md of microsoft/Swin-Transformer, in whole millions (1.06 billion for the giant).

    G: the paper's 3.0 billion, which count a classifier.
    """
    found = sum(parameter.numel() for parameter in build_without_memory(load(name)).backbone.parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.5)


def test_vit_masks_30_of_49_patches():
    config = load(VIT_BASE_800E)
    init_default_scope('mmpretrain')
    mask = TRANSFORMS.build(config.train_dataloader.collate_fn.mask)({})['mask']
    assert mask.shape == (14, 14) and mask.sum() == 30 * 4


def test_swin_v2_has_the_official_windows():
    model = build_without_memory(load(SWIN_V2_BASE_800E))
    attention = [stage.blocks[1].attn for stage in model.backbone.stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6), (12, 6), (12, 0), (6, 0)]


def test_readme_and_metafile_name_every_config():
    readme = (FOLDER / 'README.md').read_text()
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    assert {path.name for path in CONFIGS} == set(re.findall(r'\]\((simmim_\S+\.py)\)', readme))
    assert {path.stem for path in CONFIGS} == {model['Name'] for model in models}
    for model in models:
        config = load(f"{model['Name']}.py")
        assert model['Config'] == f"configs/pretrain/{model['Name']}.py"
        parameters = count_parameters(build_without_memory(config))
        assert model['Metadata']['Parameters'] == parameters, model['Name']


@TRANSFORMS.register_module(name='LoadFourChannels')
def load_four_channels():
    """A loading transform of a user's own: normalised images with a fourth channel."""

    def transform(results):
        results['img'] = np.random.default_rng(results['sample_idx']).normal(size=(40, 60, 4)).astype(np.float32)
        results['img_shape'] = (40, 60)
        return results

    return transform


def test_images_with_four_channels_train_as_the_docs_say(images, tmp_path):
    from mmengine.runner import Runner
    config = shrink(Config.fromfile(CONFIGS[0]), images, tmp_path / 'work')
    config.model.backbone.in_channels = 4
    config.data_preprocessor = dict(type='mmengine.BaseDataPreprocessor')
    size = config.train_dataloader.dataset.pipeline[0].scale
    config.train_dataloader.dataset.pipeline[:1] = [
        dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadFourChannels'),
        dict(type='RandomResizedCrop', scale=size, crop_ratio_range=(0.67, 1.0), backend='cv2')]
    for step in config.val_dataloader.dataset.pipeline:
        if step.type == 'mmsimmim.LoadImage':
            step.type = 'mmsimmim.LoadFourChannels'
        if step.get('backend') == 'pillow':
            step.backend = 'cv2'
    config.default_hooks.pop('reconstruction')
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.model.neck.decoder[0].out_channels == 4 * 32 * 32
    assert 0 < runner.message_hub.log_scalars['train/loss'].current() < 10
    DefaultScope._instance_dict.clear()
