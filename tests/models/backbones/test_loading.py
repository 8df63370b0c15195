"""Straight use of every kind of file by an encoder: recognised, converted, resized, reported, or refused."""

import contextlib

import pytest
import torch
from mmengine.logging import MMLogger

from mmsimmim.checkpoints import convert_state_dict, write_checkpoint
from mmsimmim.errors import UserError
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from tests.golden import below, load, relative_error, simmim_swin, simmim_swinv2, simmim_vit

SWIN = dict(arch=dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4]), drop_path_rate=0.)
VIT = dict(arch=dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64), drop_path_rate=0.,
           use_rel_pos_bias=True, use_shared_rel_pos_bias=False, final_norm=False, out_type='avg_featmap')


def save(tmp_path, state_dict, suffix='.pth', key='model'):
    path = str(tmp_path / f'pretrained{suffix}')
    write_checkpoint(path, state_dict, key=key)
    return path


def load_in(way, build, state_dict, tmp_path, **init_cfg):
    """An encoder in float64 that loaded a state dict."""
    if way == 'load_state_dict':
        encoder = build().double()
        encoder.load_state_dict(state_dict, strict=False)
        return encoder.eval()
    suffix, *prefix = way.split()
    file = save(tmp_path, state_dict, suffix)
    init_cfg = dict(type='Pretrained', checkpoint=file, **init_cfg, **({'prefix': prefix[0]} if prefix else {}))
    encoder = build(init_cfg=init_cfg).double()
    encoder.init_weights()
    return encoder.eval()


WAYS = ['load_state_dict', '.pth', '.safetensors', '.pth backbone.', '.safetensors backbone.']
FORMS = ['official', 'mmsimmim', 'timm', 'hf', 'mmpretrain']


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('form', FORMS)
def test_official_swin_finetuned_from_any_file(tmp_path, way, form):
    """Windows 6 become 7, so that every table is resized on the way."""
    golden = below(load('finetune.npz'), 'swin_finetune/')
    state = below(golden, 'pretrained/')
    state = state if form == 'official' else convert_state_dict(state, to=form)
    encoder = load_in(way, lambda **kwargs: SwinTransformer(**SWIN, img_size=224, window_size=7, **kwargs), state,
                      tmp_path)
    logits = encoder(golden['input'])[0].mean((2, 3)) @ golden['head/weight'].T + golden['head/bias']
    assert relative_error(logits, golden['logits']) < 1e-6


@pytest.mark.parametrize('size, case', [(96, 'same'), (128, 'larger')])
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('form', ['official', 'mmsimmim', 'backbone'])
def test_official_vit_finetuned_from_any_file(tmp_path, way, form, size, case):
    """The shared table becomes one per block, whatever stands before its name."""
    golden = load('finetune.npz')
    state = below(golden, 'vit_finetune/pretrained/')
    state = state if form == 'official' else convert_state_dict(state, to=form)
    golden = below(golden, f'vit_finetune_{case}/')
    encoder = load_in(way, lambda **kwargs: VisionTransformer(**VIT, img_size=size, **kwargs), state, tmp_path)
    encoder.ln2.load_state_dict(below(golden, 'new/fc_norm.'))
    logits = encoder(golden['input'])[0] @ golden['new/head.weight'].T + golden['new/head.bias']
    assert relative_error(logits, golden['logits']) < 1e-6


@pytest.mark.parametrize('build, form', [
    (simmim_swin, 'official'), (simmim_swin, 'mmpretrain'), (simmim_swinv2, 'official'), (simmim_swinv2, 'hf'),
    (simmim_vit, 'official'), (simmim_vit, 'mmpretrain')])
def test_a_whole_simmim_takes_any_file(build, form):
    model, golden = build()
    state = below(golden, 'param/')
    state = state if form == 'official' else convert_state_dict(state, to=form)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    assert not any(model.load_state_dict(state, strict=True))
    assert relative_error(model.reconstruct(golden['input'], golden['mask']), golden['reconstruction']) < 1e-6


def report_of(tmp_path, load_it):
    """What the log of a run says about a loading."""
    file = tmp_path / 'run.log'
    MMLogger.get_instance(str(tmp_path), log_file=str(file), logger_name='mmengine')
    load_it()
    return file.read_text()


def test_the_report_has_numbers_and_names(tmp_path):
    model, golden = simmim_swin()
    state = below(golden, 'param/')
    encoder = SwinTransformer(**SWIN, out_indices=(1, 2), window_size=7)
    text = report_of(tmp_path, lambda: encoder.load_state_dict(state, strict=False))
    assert '117 of 121 parameters matched (8 of them resized), 4 missing, 2 unexpected' in text
    assert 'resized: stages.*.blocks.*.attn.w_msa.relative_position_bias_table (8)' in text
    assert 'missing, left as they were: norm1.weight, norm1.bias, norm2.weight, norm2.bias' in text
    assert 'unexpected, not used: norm3.weight, norm3.bias' in text and 'WARNING' not in text


def test_a_name_that_is_alone_of_its_kind_is_shown_as_it_is(tmp_path):
    encoder = SwinTransformer(**SWIN)
    state = encoder.state_dict()
    for name in ('norm1.weight', 'norm1.bias', 'norm2.bias', 'attn.w_msa.qkv.bias', 'attn.w_msa.proj.bias'):
        del state[f'stages.2.blocks.1.{name}']
    del state['stages.0.blocks.0.norm1.bias'], state['stages.1.downsample.norm.bias']
    text = report_of(tmp_path, lambda: encoder.load_state_dict(state, strict=False))
    assert 'stages.2.blocks.1.norm1.weight' in text and 'stages.*.blocks.*.norm1.bias (2)' in text
    assert 'blocks.*.norm1.weight' not in text


def test_values_that_are_no_numbers_are_a_warning(tmp_path):
    encoder = SwinTransformer(**SWIN)
    state = encoder.state_dict()
    state['stages.2.blocks.1.norm1.weight'][1] = torch.inf
    state['stages.3.blocks.1.norm1.weight'][1] = torch.nan
    text = report_of(tmp_path, lambda: encoder.load_state_dict(state, strict=False))
    assert 'infinite or no numbers, first in stages.2.blocks.1.norm1.weight' in text
    assert text.count('WARNING') == 1 and 'stages.3' not in text


@pytest.mark.parametrize('name', ['stages.0.blocks.0.ffn.layers.1.weight',
                                  'stages.0.blocks.0.attn.w_msa.relative_position_bias_table'])
def test_integers_are_no_parameters(name):
    state = {key: value.clone() for key, value in SwinTransformer(**SWIN).state_dict().items()}
    state[name] = state[name].to(torch.int8)
    with pytest.raises(UserError, match=f'1 integers .{name}'):
        SwinTransformer(**SWIN, img_size=64).load_state_dict(state, strict=False)


def test_a_table_per_block_for_a_shared_one_gets_the_right_advice():
    shared = dict(VIT, use_rel_pos_bias=False, use_shared_rel_pos_bias=True)
    state = VisionTransformer(**VIT).state_dict()
    with pytest.raises(UserError, match='build the backbone with use_rel_pos_bias=True, use_shared_rel_pos_bias=False'):
        VisionTransformer(**shared).load_state_dict(state, strict=False)
    with pytest.raises(UserError, match='Give a checkpoint of the same architecture'):
        VisionTransformer(**VIT).load_state_dict(SwinTransformer(**SWIN).state_dict(), strict=False)


@pytest.mark.parametrize('form', ['official', 'mmsimmim'])
def test_an_encoder_below_another_name_is_found_by_its_prefix(tmp_path, form):
    _, golden = simmim_swin()
    weights = below(golden, 'param/')
    bare = {name.partition('.')[2]: value for name, value in
            (weights if form == 'official' else convert_state_dict(weights, to=form)).items()
            if name.startswith(('encoder.', 'backbone.'))}
    state = {f'{model}.backbone.{name}': value for model in ('student', 'teacher') for name, value in bare.items()}

    def build(**kwargs):
        return SwinTransformer(**SWIN, window_size=6, img_size=96, **kwargs)

    with pytest.raises(UserError, match=r"found below student.backbone.: use init_cfg=.* prefix='student.backbone.'"):
        load_in('.pth', build, state, tmp_path)
    (tmp_path / 'pretrained.pth').unlink()
    encoder = load_in('.pth student.backbone.', build, state, tmp_path)
    expected = convert_state_dict(weights, to='backbone')
    assert all(torch.equal(value, expected[name]) for name, value in encoder.named_parameters())


def test_strangers_in_a_file_are_passed_over_where_anything_is_accepted(tmp_path):
    _, golden = simmim_swin()
    weights = below(golden, 'param/')
    state = {**weights, 'my_head.weight': torch.ones(2, 2)}

    def build(**kwargs):
        return SwinTransformer(**SWIN, window_size=6, img_size=96, **kwargs)

    with pytest.raises(UserError, match='1 of .* keys are no part of that: my_head.weight'):
        load_in('.pth', build, state, tmp_path)
    (tmp_path / 'pretrained.pth').unlink()
    expected = convert_state_dict(weights, to='backbone')
    encoder = load_in('.pth', build, state, tmp_path, min_matched=0)
    assert all(torch.equal(value, expected[name]) for name, value in encoder.named_parameters())


def partial_file(share):
    """Ours, with the first share of the names."""
    state = SwinTransformer(**SWIN).state_dict()
    return {name: state[name] for name in list(state)[:round(share * len(state))]}


def test_above_the_threshold_what_is_missing_is_a_warning(tmp_path):
    state, encoder = partial_file(0.95), SwinTransformer(**SWIN)
    untouched = encoder.stages[3].blocks[1].ffn.layers[1].weight.clone()
    text = report_of(tmp_path, lambda: encoder.load_state_dict(state, strict=False))
    assert 'WARNING' in text and 'stages.3.blocks.1.ffn.layers.1.weight' in text
    assert torch.equal(encoder.patch_embed.projection.weight, state['patch_embed.projection.weight'])
    assert torch.equal(encoder.stages[3].blocks[1].ffn.layers[1].weight, untouched)


def test_below_the_threshold_it_is_refused_unless_lowered(tmp_path):
    def build(**kwargs):
        return SwinTransformer(**SWIN, **kwargs)

    state = partial_file(0.8)
    with pytest.raises(UserError, match=r'Of 117 parameters: \d+ missing'):
        load_in('.pth', build, state, tmp_path)
    (tmp_path / 'pretrained.pth').unlink()
    encoder = load_in('.pth', build, state, tmp_path, min_matched=0.7)
    assert torch.equal(encoder.patch_embed.projection.weight, state['patch_embed.projection.weight'].double())


@pytest.mark.parametrize('there', [True, False])
def test_the_threshold_of_an_initialisation_holds_for_that_alone(tmp_path, there):
    state = partial_file(0.8)
    file = save(tmp_path, state) if there else str(tmp_path / 'missing.pth')
    init_cfg = dict(type='Pretrained', checkpoint=file, min_matched=0)
    encoder = SwinTransformer(**SWIN, init_cfg=init_cfg)
    with contextlib.nullcontext() if there else pytest.raises(UserError):
        encoder.init_weights()
    assert encoder.init_cfg == init_cfg
    with pytest.raises(UserError, match=r'Of 117 parameters: \d+ missing'):
        encoder.load_state_dict(state, strict=False)


STRANGERS = {
    'swin_v2': (lambda: SwinTransformerV2('tiny').state_dict(), 'holds .*Swin V2 .*tiny.* the backbone is .*Swin '),
    'vit': (lambda: VisionTransformer('small').state_dict(), 'holds .*ViT'),
    'size': (lambda: SwinTransformer('tiny').state_dict(), r'holds .*Swin.*\(tiny, .* the backbone is .*4 channels'),
    'official size': (lambda: convert_state_dict(SwinTransformer('tiny').state_dict(), to='official'),
                      r'holds official .*Swin.*\(tiny, '),
    'deeper': (lambda: SwinTransformer({**SWIN['arch'], 'depths': [2, 2, 4, 2]}).state_dict(), 'without a place here'),
    'shallower': (lambda: SwinTransformer({**SWIN['arch'], 'depths': [2, 2, 1, 2]}).state_dict(), 'missing'),
    'resnet': (lambda: {'conv1.weight': torch.zeros(1), 'layer1.0.conv1.weight': torch.zeros(1)}, 'ResNet'),
    'nothing': (dict, 'nothing under the names'),
}


@pytest.mark.parametrize('way, kind', [
    *(('load_state_dict', kind) for kind in STRANGERS), *(('.pth', kind) for kind in STRANGERS if kind != 'nothing')])
def test_files_of_other_networks_are_refused_whole(tmp_path, way, kind):
    make, message = STRANGERS[kind]
    encoders = []

    def build(**kwargs):
        encoders.append(SwinTransformer(**SWIN, **kwargs).double())
        encoders.append({name: value.clone() for name, value in encoders[0].state_dict().items()})
        return encoders[0]

    with pytest.raises(RuntimeError, match=message) as error:
        load_in(way, build, make(), tmp_path)
    assert 'does not fit this SwinTransformer' in str(error.value) and 'same architecture' in str(error.value)
    encoder, before = encoders
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_comparing_changes_nothing():
    _, golden = simmim_swin()
    state = below(golden, 'param/')
    names = list(state)
    encoder = SwinTransformer(**SWIN, window_size=7)
    before = encoder.patch_embed.projection.weight.clone()
    report = encoder.compare(state)
    assert len(report.matched) == 119 and len(report.resized) == 8 and not report.missing
    assert list(state) == names and torch.equal(encoder.patch_embed.projection.weight, before)
    with pytest.raises(UserError):
        SwinTransformer('tiny').compare(state)
