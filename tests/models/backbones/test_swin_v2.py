"""Swin V2 against the Swin V2 of mmpretrain; the official numbers are in tests/models/test_simmim.py."""

import copy
import uuid
import warnings

import pytest
import torch
from mmengine.logging import MMLogger

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.architectures import SWIN_V2
from mmsimmim.models import SwinTransformerV2
from tests.golden import below, load, relative_error
from tests.models.backbones.witness import assert_same_maps, randomised

TINY = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
DEEP = dict(embed_dims=8, depths=[2, 2, 6, 3], num_heads=[1, 2, 2, 4], extra_norm_every_n_blocks=3)
ALL_STAGES = (0, 1, 2, 3)


def build_mmpretrain(arch=TINY, **kwargs):
    from mmpretrain.models import SwinTransformerV2 as SwinV2
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return SwinV2({'extra_norm_every_n_blocks': 0, **arch}, drop_path_rate=0., out_indices=ALL_STAGES, **kwargs)


def without_buffers(state_dict):
    return {key: value for key, value in state_dict.items()
            if not key.endswith(('relative_position_index', 'relative_coords_table'))}


@pytest.mark.parametrize('size, windows', [(192, 6), (96, (6, 6, 6, 3)), (192, (12, 12, 12, 6))])
def test_equals_mmpretrain_in_pretraining(size, windows):
    theirs = randomised(build_mmpretrain(img_size=size, window_size=windows))
    largest = windows if isinstance(windows, int) else max(windows)
    ours = SwinTransformerV2(TINY, img_size=size, window_size=largest, out_indices=ALL_STAGES)
    assert_same_maps(ours, theirs, (size, size))


@pytest.mark.parametrize('arch', [TINY, DEEP])
@pytest.mark.parametrize('windows', [8, (7, 8, 5, 4)])
@pytest.mark.parametrize('size', [(256, 256), (203, 334), (64, 96)])
def test_equals_mmpretrain_downstream(size, windows, arch):
    theirs = randomised(build_mmpretrain(arch, window_size=windows, pad_small_map=True))
    assert_same_maps(SwinTransformerV2(arch, window_size=windows, out_indices=ALL_STAGES), theirs, size)


@pytest.mark.parametrize('pretrained', [(12, 12, 12, 6), (6, 6, 6, 0)])
def test_equals_mmpretrain_at_another_window_than_in_pretraining(pretrained):
    kwargs = dict(img_size=224, window_size=(14, 14, 14, 7), pretrained_window_sizes=pretrained)
    ours = SwinTransformerV2(TINY, out_indices=ALL_STAGES, **kwargs)
    assert_same_maps(ours, randomised(build_mmpretrain(**kwargs)), (224, 224))


def test_windows_of_pretraining_matter_and_default_to_the_own_ones():
    torch.manual_seed(0)
    source = randomised(SwinTransformerV2(TINY, img_size=128, window_size=8))
    images = torch.randn(1, 3, 128, 128, dtype=torch.float64)
    outs = []
    for pretrained in (0, (8, 8, 8, 4), 12):
        model = SwinTransformerV2(TINY, img_size=128, window_size=8, pretrained_window_sizes=pretrained).double().eval()
        model.load_state_dict(source.state_dict())
        outs.append(model(images)[0])
    assert torch.equal(outs[0], outs[1])
    assert relative_error(outs[2], outs[0]) > 1e-3


@pytest.mark.parametrize('pretrained, warns', [(0, True), ((6, 6, 6, 3), False), ((6, 6, 6, 6), True)])
@pytest.mark.parametrize('source', ['official', 'mmpretrain'])
def test_a_file_of_other_windows_than_said_is_loaded_with_a_warning(source, pretrained, warns, tmp_path):
    arch = dict(TINY, embed_dims=4)
    state = below(load('simmim_swinv2.npz'), 'param/')
    if source == 'mmpretrain':
        state = build_mmpretrain(arch, img_size=96, window_size=(6, 6, 6, 3)).state_dict()
    torch.save(state, tmp_path / 'file.pth')
    log = tmp_path / f'{uuid.uuid4().hex}.log'
    MMLogger.get_instance(log.stem, log_file=str(log))
    model = SwinTransformerV2(arch, img_size=128, window_size=8, pretrained_window_sizes=pretrained,
                              init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'file.pth')))
    model.init_weights()
    assert ('set pretrained_window_sizes=(6, 6, 6, 3)' in log.read_text()) == warns


def test_another_window_resizes_nothing():
    source = randomised(SwinTransformerV2(TINY, img_size=192, window_size=12)).state_dict()
    model = SwinTransformerV2(TINY, img_size=224, window_size=14, pretrained_window_sizes=(12, 12, 12, 6)).double()
    model.load_state_dict(source)
    assert all(torch.equal(value, source[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize('arch', [TINY, DEEP])
def test_state_dict_is_that_of_mmpretrain_without_buffers(arch):
    theirs = without_buffers(build_mmpretrain(arch, window_size=8).state_dict())
    ours = SwinTransformerV2(arch, out_indices=ALL_STAGES).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


def test_files_with_shift_masks_load():
    ours = SwinTransformerV2(TINY)
    state = dict(ours.state_dict(), **{'stages.0.blocks.1.attn.attn_mask': torch.zeros(4, 64, 64)})
    ours.load_state_dict(state, strict=True)


def test_our_checkpoint_loads_into_mmpretrain():
    ours = randomised(SwinTransformerV2(DEEP, window_size=8, out_indices=ALL_STAGES))
    theirs = build_mmpretrain(DEEP, window_size=8, pad_small_map=True).double()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected and not without_buffers(dict.fromkeys(missing))
    theirs.eval()
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        assert relative_error(ours(images)[-1], theirs(images)[-1]) < 1e-6


def test_architectures_are_those_of_mmpretrain():
    from mmpretrain.models import SwinTransformerV2 as SwinV2
    for name, arch in SWIN_V2.items():
        if name not in ('atto', 'femto', 'nano', 'giant-1b'):
            assert {'extra_norm_every_n_blocks': 0, **arch} == SwinV2.arch_zoo[name] == SwinV2.arch_zoo[name[0]]


@pytest.mark.parametrize('arch, parameters, published', [
    ('h', 655_074_704, '0.658'), ('huge', 655_074_704, '0.658'), ('g', 2_997_843_680, '3.002'),
    ('giant-1b', 1_060_976_996, '1.065')])
def test_numbers_of_parameters(arch, parameters, published):
    """The paper's 658 M and 3.0 B count a classifier of 1000 classes."""
    with torch.device('meta'):
        model = SwinTransformerV2(arch)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    classifier = 1000 * (8 * model.embed_dims + 1)
    assert f'{(parameters + classifier) / 1e9:.3f}' == published


def test_huge_and_giant_have_extra_norms():
    with torch.device('meta'):
        norms = {arch: [name for name, _ in SwinTransformerV2(arch).named_modules() if name.endswith('norm3')
                        and hasattr(_, 'weight')] for arch in ('large', 'huge', 'giant', 'giant-1b')}
    third_stage = [f'stages.2.blocks.{i}.norm3' for i in range(5, 42, 6)]
    assert norms == {'large': ['norm3'], 'huge': [*third_stage[:3], 'norm3'], 'giant': [*third_stage, 'norm3'],
                     'giant-1b': ['norm3']}


def test_windows_shrink_to_known_maps_only():
    attention = [stage.blocks[1].attn for stage in SwinTransformerV2(TINY, img_size=192, window_size=12).stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6), (12, 6), (12, 0), (6, 0)]
    attention = [stage.blocks[1].attn for stage in SwinTransformerV2(TINY, window_size=12).stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6)] * 4


def test_a_window_of_one_token_has_a_bias():
    model = SwinTransformerV2(TINY, img_size=32, window_size=8, out_indices=ALL_STAGES)
    assert all(x.isfinite().all() for x in randomised(model)(torch.randn(1, 3, 32, 32, dtype=torch.float64)))


def test_drop_path_grows_linearly_over_all_blocks():
    model = SwinTransformerV2(TINY, drop_path_rate=0.7)
    rates = [getattr(block.drop_path, 'p', 0) for stage in model.stages for block in stage.blocks]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, 0.7, 8))


def test_dropped_branches_add_nothing():
    model = randomised(SwinTransformerV2(TINY, drop_path_rate=1.))
    block = model.stages[3].blocks[1].train()
    assert block.norm1.bias.abs().min() > 0
    x = torch.randn(2, 4, 4, 64, dtype=torch.float64)
    assert torch.equal(block(x), x)


def test_frozen_stages_stay_as_they_are_and_train_returns_the_model():
    model = SwinTransformerV2(TINY, out_indices=ALL_STAGES, frozen_stages=1, drop_path_rate=0.5)
    assert model.train() is model
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {'.'.join(name.split('.')[:2]) for name in trainable if name.startswith('stages')} == {
        'stages.2', 'stages.3'}
    assert 'stages.2.downsample.norm.weight' in trainable
    assert not any(name.startswith(('patch_embed', 'norm0', 'norm1')) for name in trainable)
    assert not model.stages[1].training and model.stages[2].training


@pytest.mark.parametrize('name, depth', [
    ('backbone.patch_embed.norm.bias', 0), ('backbone.mask_token', 0),
    ('backbone.stages.0.blocks.0.norm1.weight', 1), ('backbone.stages.1.downsample.norm.weight', 2),
    ('backbone.stages.1.blocks.0.attn.w_msa.logit_scale', 3), ('backbone.stages.2.downsample.reduction.weight', 4),
    ('backbone.stages.3.downsample.norm.bias', 6), ('backbone.stages.3.blocks.1.attn.w_msa.cpb_mlp.0.bias', 8),
    ('backbone.norm3.weight', 9), ('head.fc.weight', 9)])
def test_layer_depth(name, depth):
    assert SwinTransformerV2(TINY).get_layer_depth(name, 'backbone.') == (depth, 10)


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='enormous'), 'giant-1b'), (dict(arch=dict(depths=[2], num_heads=[1])), 'extra_norm_every_n_blocks'),
    (dict(arch=dict(TINY, extra_norms=6)), 'extra_norms'),
    (dict(arch=dict(embed_dims=8, depths=[2, 2], num_heads=[1])), 'num_heads'),
    (dict(window_size=(7, 7)), 'window_size'), (dict(pretrained_window_sizes=(12, 12)), 'pretrained_window_sizes'),
    (dict(arch=dict(TINY, embed_dims=50, num_heads=[3, 2, 2, 4])), 'num_heads'),
    (dict(out_indices=(4, )), 'out_indices'), (dict(frozen_stages=4), 'frozen_stages')])
def test_what_does_not_fit_together_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SwinTransformerV2(**kwargs)


def test_masks_are_refused_off_the_grid_and_without_token():
    model = SwinTransformerV2(TINY, img_size=64)
    with pytest.raises(ValueError, match='mask token'):
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 16, 16))
    model.add_mask_token()
    with pytest.raises(ValueError, match='input_size'):
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match='4 channels, but in_channels is 3'):
        model(torch.zeros(1, 4, 64, 64))


def test_official_initialisation_makes_blocks_the_identity():
    torch.manual_seed(0)
    model = SwinTransformerV2('tiny')
    block = model.stages[2].blocks[0]
    for weight in (block.attn.w_msa.qkv.weight, block.ffn.layers[1].weight, block.attn.w_msa.cpb_mlp[2].weight):
        assert abs(weight.std().item() - 0.02) < 1e-3
    assert block.attn.w_msa.cpb_mlp[0].bias.abs().max() == 0
    torch.testing.assert_close(block.attn.w_msa.logit_scale.exp(), torch.full((12, 1, 1), 10.))
    x = torch.randn(1, 8, 8, 384)
    assert torch.equal(block(x), x)
    before = copy.deepcopy(model.state_dict())
    model.init_weights()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_the_bias_is_made_once_per_block_and_not_per_image():
    model = SwinTransformerV2(TINY, img_size=64, window_size=4)
    made = []
    for stage in model.stages:
        for block in stage.blocks:
            block.attn.w_msa.cpb_mlp.register_forward_hook(lambda module, inputs, out: made.append(len(out)))
    model(torch.zeros(3, 3, 64, 64))
    assert made == [49, 49, 49, 49, 49, 49, 9, 9]


def test_bf16_stays_close_to_float32():
    torch.manual_seed(0)
    model = SwinTransformerV2(dict(embed_dims=32, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]), img_size=128,
                              drop_path_rate=0.)
    for name, parameter in model.named_parameters():
        if name.endswith(('norm1.weight', 'norm2.weight')):
            torch.nn.init.ones_(parameter)
    images = torch.randn(2, 3, 128, 128)
    expected, = model(images)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out, = model(images)
    assert (out.float() - expected).norm() / expected.norm() < 0.025
    out.float().square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
