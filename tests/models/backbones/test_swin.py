"""Swin against the official logits and the Swin of mmpretrain, mmdet and mmsegmentation."""

import copy
import warnings

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import load_checkpoint

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.models import SwinTransformer, SwinTransformerV2
from tests.golden import below, load, relative_error
from tests.models.backbones.witness import assert_same_maps, randomised

TINY = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
ALL_STAGES = (0, 1, 2, 3)


def build_mmpretrain(**kwargs):
    from mmpretrain.models import SwinTransformer as Swin
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return Swin(TINY, drop_path_rate=0., **kwargs)


def build_mmdet(**kwargs):
    from mmdet.models.backbones import SwinTransformer as Swin
    return Swin(embed_dims=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), out_indices=ALL_STAGES, **kwargs)


def build_mmseg(**kwargs):
    from mmseg.models.backbones import SwinTransformer as Swin
    return Swin(embed_dims=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), out_indices=ALL_STAGES, **kwargs)


def test_finetuning_after_pretraining_equals_official():
    golden = below(load('finetune.npz'), 'swin_finetune/')
    state = convert_state_dict(below(golden, 'pretrained/'), to='mmsimmim')
    backbone = SwinTransformer(dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4]), img_size=224,
                               window_size=7).double().eval()
    backbone.load_state_dict(below(state, 'backbone.'))
    features = backbone(golden['input'])[0].mean((2, 3))
    logits = features @ golden['head/weight'].T + golden['head/bias']
    assert relative_error(logits, golden['logits']) < 1e-6


@pytest.mark.parametrize('size, windows', [(192, 6), (96, (6, 6, 6, 3)), (192, (12, 12, 12, 6))])
def test_equals_mmpretrain_in_pretraining(size, windows):
    stage_windows = windows if isinstance(windows, tuple) else [windows] * 4
    theirs = randomised(build_mmpretrain(
        img_size=size, out_indices=ALL_STAGES,
        stage_cfgs=[dict(block_cfgs=dict(window_size=window)) for window in stage_windows]))
    ours = SwinTransformer(TINY, img_size=size, window_size=max(stage_windows), out_indices=ALL_STAGES)
    assert_same_maps(ours, theirs, (size, size))


@pytest.mark.parametrize('size', [(224, 224), (203, 334), (64, 96)])
@pytest.mark.parametrize('build', [build_mmdet, build_mmseg])
def test_equals_detection_and_segmentation(build, size):
    assert_same_maps(SwinTransformer(TINY, out_indices=ALL_STAGES), randomised(build()), size)


@pytest.mark.parametrize('size', [(224, 224), (203, 334), (64, 96)])
def test_equals_mmpretrain_downstream(size):
    theirs = randomised(build_mmpretrain(out_indices=ALL_STAGES, pad_small_map=True))
    assert_same_maps(SwinTransformer(TINY, out_indices=ALL_STAGES), theirs, size)


@pytest.mark.parametrize('encoder', [SwinTransformer, SwinTransformerV2])
@pytest.mark.parametrize('argument, advice', [
    (dict(pad_small_map=True), 'leave out img_size, too'), (dict(pretrained='x.pth'), 'give the file in init_cfg'),
    (dict(stage_cfgs=dict(block_cfgs=dict(window_size=6))), 'window_size=..., what its block_cfgs say'),
    (dict(depths=(2, 2)), r'say it in arch=dict'), (dict(qkv_bias=True), 'only its default'),
    (dict(droppath=1), 'check the spelling')])
def test_arguments_of_other_swins_are_refused_with_what_to_set(encoder, argument, advice):
    with pytest.raises(TypeError, match=f'{encoder.__name__} has no argument .{next(iter(argument))}. .*{advice}'):
        encoder(TINY, **argument)


def test_padded_small_maps_mean_no_img_size():
    """The case of mmpretrain's Swin-L: 192 px, windows of 12 in all stages, where the last map is 6 x 6."""
    windows = dict(stage_cfgs=dict(block_cfgs=dict(window_size=12)), pad_small_map=True)
    theirs = randomised(build_mmpretrain(img_size=192, out_indices=ALL_STAGES, **windows))
    assert_same_maps(SwinTransformer(TINY, window_size=12, out_indices=ALL_STAGES), theirs, (192, 192))
    ours = SwinTransformer(TINY, img_size=192, window_size=12, out_indices=(3, )).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    images = torch.randn(1, 3, 192, 192, dtype=torch.float64)
    with torch.no_grad():
        expected, found = theirs(images)[-1], ours(images)[0]
    assert (found - expected).norm() > 0.1 * expected.norm()


@pytest.mark.parametrize('build', [build_mmdet, build_mmseg])
def test_state_dict_keys_are_those_of_openmmlab_without_index_buffers(build):
    theirs = {key for key in build().state_dict() if not key.endswith('relative_position_index')}
    assert set(SwinTransformer(TINY, out_indices=ALL_STAGES).state_dict()) == theirs


@pytest.mark.parametrize('resize', ['geometric', 'bicubic'])
@pytest.mark.parametrize(
    'way', ['load_state_dict', 'load_checkpoint', 'init_cfg', 'init_cfg_without_prefix', 'load_from'])
def test_tables_are_resized_in_every_way_of_loading(tmp_path, way, resize):
    from mmsimmim.layers import resize_bias_table
    source = randomised(SwinTransformer(TINY, img_size=192, window_size=6))
    source.add_mask_token()
    file = str(tmp_path / 'pretrained.pth')
    torch.save(dict(state_dict={f'backbone.{key}': value for key, value in source.state_dict().items()}), file)

    prefix = {} if way.endswith('without_prefix') else dict(prefix='backbone.')
    init_cfg = dict(type='Pretrained', checkpoint=file, **prefix) if way.startswith('init_cfg') else None
    backbone = SwinTransformer(TINY, bias_resize=resize, init_cfg=init_cfg).double()
    whole = torch.nn.ModuleDict(dict(backbone=backbone))
    if way == 'load_state_dict':
        backbone.load_state_dict(source.state_dict())
    elif way == 'load_checkpoint':
        load_checkpoint(backbone, file, revise_keys=[(r'^backbone\.', '')], strict=True)
    elif way.startswith('init_cfg'):
        backbone.init_weights()
    else:
        load_checkpoint(whole, file, strict=True)
    table = 'stages.0.blocks.1.attn.w_msa.relative_position_bias_table'
    expected = resize_bias_table(source.state_dict()[table], 169, resize)
    assert torch.equal(backbone.state_dict()[table], expected)
    assert torch.equal(backbone.norm3.weight, source.norm3.weight)


def saved(tmp_path, model, prefix=''):
    file = str(tmp_path / 'checkpoint.pth')
    torch.save({prefix + key: value for key, value in model.state_dict().items()}, file)
    return file


@pytest.mark.parametrize('other, message', [
    (dict(arch=dict(TINY, depths=[2, 2, 4, 2])), 'without a place'),
    (dict(arch=dict(TINY, depths=[2, 2, 1, 2])), 'missing'),
    (dict(arch=dict(TINY, embed_dims=16)), 'of another shape'),
    (dict(arch=dict(TINY, num_heads=[1, 2, 4, 4])), 'of another shape'),
    (dict(arch=TINY, in_channels=4), '1 of another shape .patch_embed.projection.weight')])
@pytest.mark.parametrize('way', ['init_cfg', 'load_from'])
def test_a_file_of_another_architecture_is_refused(tmp_path, way, other, message):
    file = saved(tmp_path, SwinTransformer(**other), 'backbone.')
    backbone = SwinTransformer(TINY, init_cfg=dict(type='Pretrained', checkpoint=file, prefix='backbone.'))
    with pytest.raises(RuntimeError, match=message):
        backbone.init_weights() if way == 'init_cfg' else load_checkpoint(
            torch.nn.ModuleDict(dict(backbone=backbone)), file)


def test_the_log_says_what_was_loaded(tmp_path):
    file = saved(tmp_path, SwinTransformer(TINY))
    MMLogger.get_instance('loading', log_file=str(tmp_path / 'run.log'))
    load_checkpoint(SwinTransformer(TINY, out_indices=(2, 3)), file, logger='silent')
    report = (tmp_path / 'run.log').read_text()
    assert '119 of 121 parameters matched' in report
    assert 'missing, left as they were: norm2.weight, norm2.bias' in report


@pytest.mark.parametrize('name', ['official', 'foreign'])
def test_a_file_with_other_names_is_refused(tmp_path, name):
    """An official file shares the names of the first norm with ours, which must not pass for a fit."""
    state = {'conv1.weight': torch.zeros(3)}
    if name == 'official':
        state = {'patch_embed.norm.weight': torch.zeros(8), 'layers.0.blocks.0.norm1.weight': torch.zeros(8)}
    torch.save(state, tmp_path / 'file.pth')
    backbone = SwinTransformer(TINY, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'file.pth')))
    with pytest.raises(RuntimeError, match='does not fit this SwinTransformer'):
        backbone.init_weights()
    backbone.min_matched = 0
    assert backbone.load_state_dict(state, strict=False).missing_keys


def test_windows_shrink_to_known_maps_only():
    attention = [stage.blocks[1].attn for stage in SwinTransformer(TINY, img_size=192, window_size=12).stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6), (12, 6), (12, 0), (6, 0)]
    attention = [stage.blocks[1].attn for stage in SwinTransformer(TINY, window_size=12).stages]
    assert [(a.window_size, a.shift) for a in attention] == [(12, 6)] * 4


def test_drop_path_grows_linearly_over_all_blocks():
    model = SwinTransformer(TINY, drop_path_rate=0.7)
    rates = [getattr(block.drop_path, 'p', 0) for stage in model.stages for block in stage.blocks]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, 0.7, 8))


def test_frozen_stages_stay_as_they_are_and_train_returns_the_model():
    model = SwinTransformer(TINY, out_indices=ALL_STAGES, frozen_stages=1, drop_path_rate=0.5)
    assert model.train() is model
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name.split('.')[0] + '.' + name.split('.')[1] for name in trainable if name.startswith('stages')} == {
        'stages.2', 'stages.3'}
    assert not any(name.startswith(('patch_embed', 'norm0', 'norm1')) for name in trainable)
    assert not model.stages[1].training and model.stages[2].training


@pytest.mark.parametrize('name, depth', [
    ('backbone.patch_embed.norm.bias', 0), ('backbone.mask_token', 0),
    ('backbone.stages.0.blocks.0.norm1.weight', 1), ('backbone.stages.1.downsample.norm.weight', 4),
    ('backbone.stages.3.blocks.1.ffn.layers.1.bias', 8), ('backbone.norm3.weight', 9), ('head.fc.weight', 9)])
def test_layer_depth(name, depth):
    assert SwinTransformer(TINY).get_layer_depth(name, 'backbone.') == (depth, 10)


def test_layer_depth_equals_mmpretrain():
    theirs = build_mmpretrain()
    ours = SwinTransformer(TINY)
    for name, _ in ours.named_parameters():
        assert ours.get_layer_depth(name) == theirs.get_layer_depth(name)


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='huge'), 'arch'), (dict(arch=dict(depths=[2], num_heads=[1])), 'embed_dims'),
    (dict(arch=dict(embed_dims=8, depths=[2, 2], num_heads=[1])), 'num_heads'),
    (dict(window_size=(7, 7)), 'window_size'), (dict(bias_resize='bicubc'), 'bias_resize'),
    (dict(arch=dict(TINY, embed_dims=50, num_heads=[3, 2, 2, 4])), 'num_heads'),
    (dict(out_indices=(4, )), 'out_indices'), (dict(out_indices=-1), 'from 0 to 3'),
    (dict(out_indices=()), 'out_indices'), (dict(window_size=0), 'at least 1'),
    (dict(frozen_stages=4), 'frozen_stages')])
def test_what_does_not_fit_together_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SwinTransformer(**kwargs)


def test_masks_are_refused_off_the_grid_and_without_token():
    model = SwinTransformer(TINY, img_size=64)
    with pytest.raises(ValueError, match='mask token'):
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 16, 16))
    model.add_mask_token()
    with pytest.raises(ValueError, match='input_size'):
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 8, 8))


def test_images_with_other_channels_are_refused():
    with pytest.raises(ValueError, match='4 channels, but in_channels is 3'):
        SwinTransformer(TINY)(torch.zeros(1, 4, 32, 32))


def test_our_checkpoint_loads_into_mmpretrain():
    ours = randomised(SwinTransformer(TINY, img_size=192, window_size=6))
    theirs = build_mmpretrain(img_size=192, stage_cfgs=dict(block_cfgs=dict(window_size=6))).double()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected and all(key.endswith('relative_position_index') for key in missing)
    theirs.eval()
    images = torch.randn(1, 3, 192, 192, dtype=torch.float64)
    with torch.no_grad():
        assert relative_error(ours(images)[0], theirs(images)[0]) < 1e-6


def test_official_initialisation():
    torch.manual_seed(0)
    model = SwinTransformer('tiny')
    block = model.stages[2].blocks[0]
    for weight in (block.attn.w_msa.qkv.weight, block.ffn.layers[1].weight,
                   block.attn.w_msa.relative_position_bias_table):
        assert abs(weight.std().item() - 0.02) < 1e-3
    assert block.attn.w_msa.qkv.bias.abs().max() == 0
    before = copy.deepcopy(model.state_dict())
    model.init_weights()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
