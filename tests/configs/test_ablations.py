"""The arms of the paper's ablations: each differs from the default in what its name says, and trains."""

import inspect
import math
import re
import runpy
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands.common.runner import build_runner
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.errors import UserError
from mmsimmim.evaluation import average_distance
from mmsimmim.registry import MODELS, TRANSFORMS
from tests.configs.pretraining import (
    FOLDER,
    build_without_memory,
    count_parameters,
    shrink,
    train_and_validate,
    write_images,
)

ABLATIONS = FOLDER / 'ablations'
README = (ABLATIONS / 'README.md').read_text()
ROOT = FOLDER.parents[1]
PREFIX = 'simmim_swin-base-w6_100e_'
DEFAULT = FOLDER / 'simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'
ARMS = sorted(path.stem.removeprefix(PREFIX) for path in ABLATIONS.glob('*.py'))
MASKS = [arm for arm in ARMS if arm.startswith('mask-')]
OTHERS = [arm for arm in ARMS if arm not in MASKS]
TOKENS = [arm for arm in ARMS if arm.startswith('target-tokens-')]
CLUSTERS = 'target-clusters-512-48px'

STRATEGIES = dict(random='SimMIM', square='Square', blockwise='Blockwise')
HEADS = {'inverse-swin-tiny': dict(type='InverseSwinDecoder', arch='tiny', img_size=192, window_size=6),
         'inverse-swin-base': dict(type='InverseSwinDecoder', arch='base', img_size=192, window_size=6),
         'mlp': dict(type='MLPDecoder')}
CROSS_ENTROPY = {'model.head.loss.type': 'mmsimmim.CrossEntropyReconstructionLoss',
                 'model.head.loss.criterion': None}
DALLE = dict(type='mmpretrain.DALL-E', init_cfg=dict(type='Pretrained', checkpoint='checkpoints/dalle_encoder.pth'))
VQKD = dict(
    type='mmpretrain.VQKD', init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vqkd_encoder.pth'),
    encoder_config=dict(arch='base', img_size=224, out_type='featmap', final_norm=True, use_abs_pos_emb=True,
                        use_rel_pos_bias=False, layer_scale_init_value=0.))
TARGETS = {
    'rgb-l2': {'model.head.loss.criterion': 'L2'},
    'rgb-smooth-l1': {'model.head.loss.criterion': 'SmoothL1'},
    'normalized-47px': {'model.target_generator': dict(type='mmsimmim.NormalizedPixelTarget', window_size=47)},
    'normalized-patch-32px': {'model.target_generator': dict(type='mmsimmim.PatchNormalizedPixelTarget',
                                                             patch_size=32)},
    'bins-8': {'model.target_generator': dict(type='mmsimmim.ColourBinTarget', num_bins=8), **CROSS_ENTROPY},
    'bins-256-48px': {'model.target_generator': dict(type='mmsimmim.ColourBinTarget', num_bins=256, stride=4),
                      **CROSS_ENTROPY},
    'clusters-512-48px': {'model.target_generator': dict(type='mmsimmim.ColourClusterTarget', stride=4,
                                                         palette='data/imagenet/palette_512.npy'),
                          'palette': 'data/imagenet/palette_512.npy', **CROSS_ENTROPY},
    'tokens-vqkd-12px': {'model.target_generator': dict(type='mmsimmim.TokenTarget', tokenizer=VQKD,
                                                        tokenizer_stride=16, mean=127.5, std=127.5),
                         'default_hooks.reconstruction': None, **CROSS_ENTROPY},
    'tokens-dalle-12px': {'model.target_generator': dict(type='mmsimmim.TokenTarget', tokenizer=DALLE),
                          'default_hooks.reconstruction': None, **CROSS_ENTROPY},
}


def load(arm):
    return Config.fromfile(ABLATIONS / f'{PREFIX}{arm}.py')


def expected(arm):
    """By full key what an arm changes of the default, read from its name; None for what it lacks."""
    kind, rest = arm.split('-', 1)
    if kind == 'mask':
        strategy, patch, percent = re.fullmatch(r'(\w+)-(\d+)px-(\d+)', rest).groups()
        mask = dict(type=f'mmsimmim.{STRATEGIES[strategy]}MaskGenerator', input_size=192, model_patch_size=4,
                    mask_patch_size=int(patch), mask_ratio=int(percent) / 100)
        return {'mask': mask, 'train_dataloader.collate_fn.mask': mask}
    if kind == 'head':
        new = dict(HEADS[rest], in_channels=1024, encoder_stride=32)
        return {'model.neck': dict(new, type=f'mmsimmim.SimMIM{new["type"]}')}
    if kind == 'resolution':
        side = int(rest.removesuffix('px'))
        return {'model.target_generator': dict(type='mmsimmim.PixelTarget', stride=192 // side)}
    if kind == 'area':
        return {'model.head.area': rest}
    return TARGETS[rest]


def flat(node, key=''):
    """Full keys and values of all that is neither dictionary nor list; of these only the empty ones."""
    if not isinstance(node, (dict, list, tuple)) or not node:
        return {key: node}
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return {place: value for name, child in items
            for place, value in flat(child, f'{key}.{name}' if key else str(name)).items()}


def put(config, key, value):
    """Set one key of a config; None takes it away."""
    *path, last = key.split('.')
    for name in path:
        config = config[int(name) if isinstance(config, list) else name]
    if value is None:
        del config[last]
    else:
        config[int(last) if isinstance(config, list) else last] = value


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


@pytest.mark.parametrize('arm', ARMS)
def test_an_arm_differs_from_the_default_in_what_its_name_says(arm):
    config = Config.fromfile(DEFAULT).to_dict()
    before = flat(config)
    for key, value in expected(arm).items():
        put(config, key, value)
    assert flat(load(arm).to_dict()) == flat(config) != before


def test_there_is_a_config_for_each_row_of_the_tables():
    """Issue and paper: strategies, patches and ratios; heads; resolutions; targets and losses; area."""
    rows = {'area-whole', 'head-mlp', 'head-inverse-swin-tiny', 'head-inverse-swin-base'}
    rows |= {f'resolution-{side}px' for side in (6, 12, 24, 48, 96)}
    rows |= {f'target-{name}' for name in TARGETS}
    percents = {('square', 32): (11, 25, 50), ('blockwise', 16): (40, 60, 80), ('blockwise', 32): (40, 60, 80),
                ('random', 4): (40, 60, 80), ('random', 8): (40, 60, 80), ('random', 16): (40, 60, 80),
                ('random', 32): (10, 20, 30, 40, 50, 70, 80, 90), ('random', 64): (10, 20, 30, 40, 50, 60, 70, 80)}
    rows |= {f'mask-{strategy}-{patch}px-{percent}' for (strategy, patch), some in percents.items()
             for percent in some}
    assert rows == set(ARMS) and len(rows) == 52


@pytest.mark.parametrize('arm', MASKS)
def test_the_mask_of_an_arm_covers_what_its_name_says(arm):
    _, _, patch, percent = arm.split('-')
    patch = int(patch.removesuffix('px'))
    cells = (192 // patch)**2
    count = math.ceil(Fraction(int(percent), 100) * cells)
    generator = TRANSFORMS.build(load(arm).train_dataloader.collate_fn.mask)
    random = np.random.RandomState(0)
    for _ in range(20):
        mask = generator.draw(random)
        assert mask.shape == (48, 48) and mask.sum() == count * (patch // 4)**2
        squares = mask.reshape(192 // patch, patch // 4, 192 // patch, patch // 4)
        assert (squares.min((1, 3)) == squares.max((1, 3))).all()
    assert count < cells


@pytest.mark.parametrize('arm, name', [('target-tokens-dalle-12px', 'beit'), ('target-tokens-vqkd-12px', 'beitv2')])
def test_tokenizers_are_those_of_mmpretrain(arm, name):
    """Network, file, and how colours are brought to its range, in mmpretrain's configs of BEiT and BEiT v2."""
    import mmpretrain
    theirs = Config.fromfile(Path(mmpretrain.__path__[0]) / '.mim' / 'configs' / name /
                             f'{name}_beit-base-p16_8xb256-amp-coslr-300e_in1k.py')
    target, tokenizer = load(arm).model.target_generator, theirs.model.target_generator
    assert target.tokenizer.type == f'mmpretrain.{tokenizer.type}'
    assert Path(target.tokenizer.init_cfg.checkpoint).name == Path(tokenizer.init_cfg.checkpoint).name
    parameters = inspect.signature(MODELS.get('mmpretrain.BEiTViT')).parameters.values()
    defaults = {parameter.name: parameter.default for parameter in parameters}
    ours, theirs_too = (dict(one.get('encoder_config', {})) for one in (target.tokenizer, tokenizer))
    assert {**defaults, **ours} == {**defaults, **theirs_too}
    target = MODELS.build(dict(target, tokenizer=dict(type='mmsimmim.PixelTarget')))
    assert target.mean.flatten().tolist() == pytest.approx(theirs.data_preprocessor.second_mean[:1])
    assert target.std.flatten().tolist() == pytest.approx(theirs.data_preprocessor.second_std[:1])


SMALL_TOKENIZERS = {
    'target-tokens-dalle-12px': dict(n_hid=4, n_blk_per_group=1),
    'target-tokens-vqkd-12px': dict(
        embed_dims=8,
        encoder_config=dict(arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32)))}


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


def write_palette(folder):
    palette = np.random.default_rng(0).uniform(0, 255, (512, 3)).astype(np.float32)
    np.save(folder / 'palette.npy', palette)
    return str(folder / 'palette.npy'), palette


def provide_files(arm, config, folder):
    """What an arm needs beforehand.

    Args:
        arm (str): Its name.
        config (Config): Is changed to take the files; a tokenizer becomes small.
        folder (Path): Where they are written.

    Returns:
        dict[str, Tensor]: By the names of the target's state what it must hold.
    """
    target = config.model.get('target_generator') or {}
    if arm == CLUSTERS:
        target.palette, palette = write_palette(folder)
        return dict(palette=torch.from_numpy(palette))
    if arm not in TOKENS:
        return {}
    tokenizer = target.tokenizer
    small = dict(SMALL_TOKENIZERS[arm])
    tokenizer.get('encoder_config', {}).update(small.pop('encoder_config', {}))
    tokenizer.update(small)
    init_default_scope('mmpretrain')
    generator = torch.Generator().manual_seed(0)
    weights = MODELS.build({key: value for key, value in tokenizer.items() if key != 'init_cfg'}).state_dict()
    for name, value in weights.items():
        # A codebook that says that it is filled is taken as it is.
        weights[name] = torch.ones_like(value) if name.endswith('initted') else torch.randn(
            value.shape, generator=generator) / 4
    tokenizer.init_cfg.checkpoint = str(folder / 'tokenizer.pth')
    torch.save(dict(state_dict=weights), tokenizer.init_cfg.checkpoint)
    return {f'tokenizer.{name}': value for name, value in weights.items()}


@pytest.mark.parametrize('arm', ARMS)
def test_an_arm_trains_and_validates(arm, images, tmp_path):
    """As shipped but for depth, width and the amount of data: never the structure, the pipeline or the schedule."""
    config = shrink(load(arm), images, tmp_path / 'work', steps=1)
    given = provide_files(arm, config, tmp_path)
    config.experiment_name = arm
    runner = train_and_validate(config, steps=1)
    state = runner.model.target_generator.state_dict()
    assert state.keys() == given.keys()
    for name, value in given.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0, check_dtype=False, msg=name)
    num_classes = runner.model.target_generator.num_classes
    if num_classes is not None:
        # Before it has learned anything a model is about as wrong as a guess.
        first = runner.message_hub.log_scalars['train/loss'].data[0][0]
        assert first == pytest.approx(math.log(num_classes), rel=0.1)
    assert runner.model.head.area == ('whole' if arm == 'area-whole' else 'masked')


def full_size(arm, tmp_path):
    """The model of an arm with all its channels and layers; of tokenizers, which are not trained, a small one."""
    config = load(arm)
    provide_files(arm, config, tmp_path)
    if arm not in TOKENS:
        return build_without_memory(config)
    init_default_scope('mmpretrain')
    return MODELS.build(config.model)


def rows_of(section):
    """The cells of the table in a section of the README, by arm."""
    table = README.split(f'\n## {section}')[1].split('\n## ')[0]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines() if line[:2] == '| ']
    head, *rows = rows
    return {re.match(r'\[(.+?)\]', row[0])[1]: dict(zip(head, row, strict=True)) for row in rows if row[0][0] == '['}


@pytest.mark.parametrize('arm, paper', [
    ('head-mlp', 90.9e6), ('head-inverse-swin-tiny', 115.2e6), ('head-inverse-swin-base', 174.8e6)])
def test_heads_have_as_many_parameters_as_the_papers(arm, paper, tmp_path):
    count = count_parameters(full_size(arm, tmp_path))
    assert count == pytest.approx(paper, rel=0.01)
    assert rows_of('2.')[arm]['aimed at'] == f'{paper / 1e6:.1f}M'


@pytest.mark.parametrize('arm', [arm for arm in OTHERS if arm != 'area-whole'])
def test_readme_tells_the_parameters(arm, tmp_path):
    cells = {**rows_of('2.'), **rows_of('3.'), **rows_of('4.')}
    assert cells[arm]['parameters'] == f'{count_parameters(full_size(arm, tmp_path)):,}'
    assert cells['default']['parameters'] == '89,874,104'


@pytest.mark.parametrize('arm', ['default', *MASKS])
def test_readme_tells_the_masks(arm):
    config = Config.fromfile(DEFAULT) if arm == 'default' else load(arm)
    generator = TRANSFORMS.build(config.train_dataloader.collate_fn.mask)
    row = rows_of('1.')[arm]
    strategy = type(generator).__name__.removesuffix('MaskGenerator').replace('SimMIM', 'Random')
    assert row['strategy'].replace('-', '') == strategy.lower()
    assert row['masked patch'] == f'{generator.mask_patch_size} px' and float(row['ratio']) == generator.mask_ratio
    assert row['masked'] == f'{generator.mask_count} of {math.prod(generator.grid)}'
    random = np.random.RandomState(1)
    found = [average_distance(generator.draw(random), generator.model_patch_size) for _ in range(30)]
    # Four standard errors, and what was rounded.
    assert abs(np.mean(found) - float(row['AvgDist, px'])) < 4 * np.std(found, ddof=1) / math.sqrt(30) + 0.05


def test_readme_lists_every_arm_and_its_links_resolve():
    links = re.findall(r'\]\((?!http|#)([^)#]+)\)', README)
    assert not [link for link in links if not (ABLATIONS / link).exists()]
    listed = [arm for section in '12345' for arm in rows_of(f'{section}.')]
    assert sorted(arm for arm in listed if arm != 'default') == ARMS
    assert '[ablations](ablations/README.md)' in (FOLDER / 'README.md').read_text()
    for name in re.findall(r'(?<![\w/])((?:tools|configs)/[\w./-]+\.(?:py|sh))', README):
        assert (ROOT / name).is_file(), name


def test_readme_quotes_what_has_a_source_alone():
    published = {arm: row['top-1: published'] for section in '12345' for arm, row in rows_of(f'{section}.').items()}
    assert {arm: figure for arm, figure in published.items() if figure != '–'} == {
        'default': '82.8', 'area-whole': '81.7, second-hand'}
    assert {row['measured here'] for section in '12345' for row in rows_of(f'{section}.').values()} == {'not run'}


@pytest.mark.parametrize('arm, key, reason', [
    (CLUSTERS, 'model.target_generator.palette', 'There is no palette data/imagenet/palette_512.npy: fit one'),
    *((arm, 'model.target_generator.tokenizer.init_cfg.checkpoint', 'does not exist') for arm in TOKENS)])
def test_a_missing_file_is_one_message_before_anything_is_built(arm, key, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['train.py', str(ABLATIONS / f'{PREFIX}{arm}.py'), '--work-dir', str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')
    assert caught.value.code.startswith(f'error: {key}: ') and reason in caught.value.code
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_shape_is_no_palette(tmp_path):
    np.save(tmp_path / 'palette.npy', np.zeros((512, 4)))
    config = load(CLUSTERS)
    config.palette = config.model.target_generator.palette = str(tmp_path / 'palette.npy')
    with pytest.raises(UserError, match=r'^model.target_generator.palette: .*\(512, 4\)'):
        build_runner(config)


def test_an_option_for_the_palette_reaches_the_target():
    config = read_with_options(load(CLUSTERS).filename, dict(palette='mine.npy'))[0]
    assert config.model.target_generator.palette == 'mine.npy'


def test_the_arm_of_ones_own_in_the_readme_is_built(tmp_path):
    text = next(block for block in re.findall(r'```python\n(.*?)```', README, re.S) if '_base_' in block)
    (tmp_path / 'own.py').write_text(text.replace("'../", f"'{FOLDER}/"))
    config = Config.fromfile(tmp_path / 'own.py')
    assert TRANSFORMS.build(config.train_dataloader.collate_fn.mask).mask_count == math.ceil(0.7 * 144)
    assert config.val_dataloader.dataset.pipeline == Config.fromfile(DEFAULT).val_dataloader.dataset.pipeline
    model = build_without_memory(config)
    assert type(model.target_generator).__name__ == 'PatchNormalizedPixelTarget'
    assert model.head.area == 'whole'


@pytest.mark.parametrize('arm', ['target-bins-256-48px', CLUSTERS, *TOKENS])
def test_scores_are_compared_in_two_parts_as_the_readme_says(arm, tmp_path):
    config = shrink(load(arm), '', tmp_path)
    provide_files(arm, config, tmp_path)
    init_default_scope('mmpretrain')
    model = MODELS.build(config.model)
    side = 192 // model.target_generator.stride
    groups = 3 if 'bins' in arm else 1
    images = model.head.images_at_a_time(torch.zeros(1, groups, side, side).expand(128, -1, -1, -1))
    assert math.ceil(load(arm).train_dataloader.batch_size / images) == 2
