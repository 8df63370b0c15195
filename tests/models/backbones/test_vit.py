"""ViT against the official numbers and mmpretrain's BEiTViT."""

import copy
import json
import math
import re
import warnings

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import load_checkpoint

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.layers import resize_token_bias_table
from mmsimmim.models import VisionTransformer
from tests.golden import DATA, assert_official_gradients, below, load, relative_error, simmim_vit
from tests.recomputing import WITH_CP

TINY = dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64)
PER_BLOCK = dict(use_rel_pos_bias=True, use_shared_rel_pos_bias=False)
ABSOLUTE = dict(use_abs_pos_emb=True, use_rel_pos_bias=False, use_shared_rel_pos_bias=False)
FINE_TUNING = dict(PER_BLOCK, final_norm=False, out_type='avg_featmap')
TABLE = 'attn.relative_position_bias_table'


def randomised(model, seed=0):
    """Every parameter drawn at random, so that nothing hides behind an initial zero or one."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2
    model.double().eval()  # mmpretrain's returns None
    return model


def build(arch=TINY, img_size=96, drop_path_rate=0., **kwargs):
    return VisionTransformer(arch, img_size, drop_path_rate=drop_path_rate, **kwargs)


def build_mmpretrain(arch=TINY, img_size=96, **kwargs):
    from mmpretrain.models import BEiTViT
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return BEiTViT(arch, img_size, **kwargs)


@pytest.mark.parametrize('with_cp', WITH_CP)
def test_pretraining_equals_official(with_cp):
    model, golden = simmim_vit(with_cp=with_cp)
    images, mask = golden['input'], golden['mask']
    assert relative_error(model.backbone(images, mask)[-1], golden['latent']) < 1e-6
    assert relative_error(model.reconstruct(images, mask), golden['reconstruction']) < 1e-6
    loss = model.masked_loss(images, mask)
    assert relative_error(loss, golden['loss']) < 1e-6

    loss.backward()
    assert_official_gradients(model, golden)


@pytest.mark.parametrize('case, size', [('same', 96), ('larger', 128)])
def test_finetuning_after_pretraining_equals_official(case, size):
    golden = load('finetune.npz')
    state = convert_state_dict(below(golden, 'vit_finetune/pretrained/'), to='mmsimmim')
    golden = below(golden, f'vit_finetune_{case}/')
    for img_size in {96, size}:  # tables resized while loading, or for the images
        backbone = build(img_size=img_size, **FINE_TUNING).double().eval()
        backbone.load_state_dict(below(state, 'backbone.'), strict=False)
        backbone.ln2.load_state_dict(below(golden, 'new/fc_norm.'))
        logits = backbone(golden['input'])[0] @ golden['new/head.weight'].T + golden['new/head.bias']
        assert relative_error(logits, golden['logits']) < 1e-6


def assert_same_outputs(kwargs, size, number=1):
    """The same arguments and state dict, loaded strictly, must give the same outputs."""
    theirs = randomised(build_mmpretrain(**copy.deepcopy(kwargs)))
    ours = build(**kwargs).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        outputs = list(zip(ours(images), theirs(images), strict=True))
    assert len(outputs) == number
    for output, expected in outputs:
        assert relative_error(output, expected) < 1e-6


SHARED = dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True)


@pytest.mark.parametrize('out_type', ['raw', 'featmap', 'cls_token', 'avg_featmap'])
@pytest.mark.parametrize('position', [
    dict(SHARED, final_norm=True), dict(PER_BLOCK, final_norm=False), dict(ABSOLUTE, final_norm=True),
    dict(SHARED, use_abs_pos_emb=True, final_norm=False)])
def test_equals_mmpretrain_at_chosen_blocks(position, out_type):
    assert_same_outputs(dict(position, out_type=out_type, out_indices=[0, -1]), (96, 96), number=2)


@pytest.mark.parametrize('kwargs, size', [
    (dict(img_size=90, **SHARED), (90, 90)),
    (dict(img_size=(90, 70), **PER_BLOCK), (90, 70)),
    (dict(img_size=(64, 96), patch_size=8, **SHARED), (59, 90)),
    (dict(img_size=96, **ABSOLUTE), (75, 130)),
    (dict(img_size=96, interpolate_mode='bilinear', **ABSOLUTE), (128, 128)),
    (dict(img_size=90, patch_cfg=dict(padding=0), **SHARED), (95, 80))])
def test_equals_mmpretrain_on_other_sizes(kwargs, size):
    assert_same_outputs(dict(kwargs, out_type='featmap', final_norm=True), size)


@pytest.mark.parametrize('kwargs', [
    dict(bias=True), dict(bias=False), dict(layer_scale_init_value=0), dict(norm_cfg=dict(type='LN')),
    dict(norm_cfg=dict(type='LN', eps=0.1)), dict(with_cls_token=False, **ABSOLUTE), dict(in_channels=3, out_indices=1),
    dict(layer_cfgs=dict(feedforward_channels=8, norm_cfg=dict(type='LN', eps=0.2))),
    dict(layer_cfgs=[dict(), dict(bias=True), dict(layer_scale_init_value=0)])])
def test_equals_mmpretrain_with_other_arguments(kwargs):
    assert_same_outputs({**SHARED, **kwargs, 'out_type': 'avg_featmap', 'final_norm': True}, (96, 96))


@pytest.mark.parametrize('arch', ['small', 'b', 'large', 'eva-giant', 'deit-tiny', 'deit-s', 'DeiT-base'])
def test_named_architectures_are_those_of_mmpretrain(arch):
    with torch.device('meta'):
        ours, theirs = (b(arch, img_size=32, **FINE_TUNING).state_dict() for b in (build, build_mmpretrain))
    shapes = {name: value.shape for name, value in theirs.items() if not name.endswith('relative_position_index')}
    assert {name: value.shape for name, value in ours.items()} == shapes


def test_our_checkpoint_loads_into_mmpretrain():
    ours = randomised(build(**FINE_TUNING))
    theirs = build_mmpretrain(**FINE_TUNING).double()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected and all(key.endswith('relative_position_index') for key in missing)
    theirs.eval()
    images = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        assert relative_error(ours(images)[0], theirs(images)[0]) < 1e-6


@pytest.mark.parametrize('given, told', [
    (PER_BLOCK, "set final_norm=False, .*BEiTViT, and out_type='avg_featmap'"),
    (dict(PER_BLOCK, out_type='avg_featmap'), "set final_norm=False, the default of mmpretrain's BEiTViT$"),
    (dict(PER_BLOCK, out_indices=(0, 1)), None), (FINE_TUNING, None), (dict(FINE_TUNING, out_type='featmap'), None)])
def test_a_beit_of_mmpretrain_with_our_defaults_is_another_network_and_told_so(given, told, tmp_path):
    """Its config leaves out final_norm, which it has not, or all that a config of its classifier says."""
    theirs = randomised(build_mmpretrain(use_abs_pos_emb=False))
    ours = build(**given).double().eval()
    file = tmp_path / 'run.log'
    MMLogger.get_instance(str(tmp_path), log_file=str(file), logger_name='mmengine')
    ours.load_state_dict(theirs.state_dict(), strict=False)
    warned = [line for line in file.read_text().splitlines() if 'WARNING' in line]
    assert len(warned) == (told is not None) and all(re.search(told, line) for line in warned)
    if given == FINE_TUNING:
        images = torch.randn(1, 3, 96, 96, dtype=torch.float64)
        with torch.no_grad():
            assert relative_error(ours(images)[0], theirs(images)[0]) < 1e-6


def test_the_files_of_pre_training_are_not_warned_of(tmp_path):
    MMLogger.get_instance(str(tmp_path), log_file=str(tmp_path / 'run.log'), logger_name='mmengine')
    build(**FINE_TUNING).load_state_dict(build().state_dict(), strict=False)
    build().load_state_dict(build().state_dict())
    assert 'WARNING' not in (tmp_path / 'run.log').read_text()


@pytest.mark.parametrize('way', ['load_state_dict', 'init_cfg', 'init_cfg_without_prefix', 'load_from'])
def test_a_shared_table_becomes_one_per_block_in_every_way_of_loading(tmp_path, way):
    source = randomised(build())
    source.add_mask_token()
    state = dict(source.state_dict(), **{'rel_pos_bias.relative_position_index': torch.zeros(37, 37)})
    file = str(tmp_path / 'pretrained.pth')
    torch.save(dict(state_dict={f'backbone.{key}': value for key, value in state.items()}), file)

    prefix = {} if way.endswith('without_prefix') else dict(prefix='backbone.')
    init_cfg = dict(type='Pretrained', checkpoint=file, **prefix) if way.startswith('init_cfg') else None
    backbone = build(img_size=128, init_cfg=init_cfg, **FINE_TUNING).double()
    if way == 'load_state_dict':
        missing, unexpected = backbone.load_state_dict(state, strict=False)
        assert missing == ['ln2.weight', 'ln2.bias'] and unexpected == ['ln1.weight', 'ln1.bias']
    elif way.startswith('init_cfg'):
        backbone.init_weights()
    else:
        load_checkpoint(torch.nn.ModuleDict(dict(backbone=backbone)), file)
    expected = resize_token_bias_table(source.rel_pos_bias.relative_position_bias_table.detach(), (8, 8))
    for i in range(3):
        assert torch.equal(backbone.state_dict()[f'layers.{i}.{TABLE}'], expected)
    assert torch.equal(backbone.layers[2].gamma_2, source.layers[2].gamma_2)


def test_position_embeddings_are_resized_while_loading():
    source = randomised(build(**ABSOLUTE))
    target = build(img_size=(128, 80), **ABSOLUTE).double().eval()
    target.load_state_dict(source.state_dict())
    images = torch.randn(1, 3, 128, 80, dtype=torch.float64)
    assert torch.equal(source(images)[0], target(images)[0])
    with pytest.raises(ValueError, match='pos_embed: 12 position embeddings'):
        target.load_state_dict(dict(source.state_dict(), pos_embed=torch.zeros(1, 12, 16)))
    without = build(with_cls_token=False, **ABSOLUTE).double()
    without.load_state_dict(source.state_dict())
    assert torch.equal(without.pos_embed, source.pos_embed[:, 1:])


@pytest.mark.parametrize('given, wanted', [(ABSOLUTE, {}), ({}, ABSOLUTE), (PER_BLOCK, {}), ({}, dict(bias=True)),
                                           ({}, dict(arch=dict(TINY, num_heads=2)))])
def test_files_of_another_kind_of_vit_are_refused(given, wanted):
    with pytest.raises(RuntimeError, match='VisionTransformer'):
        build(**wanted).load_state_dict(build(**given).state_dict(), strict=False)


@pytest.mark.parametrize('kwargs', [{}, PER_BLOCK, dict(bias_resize='bicubic'), dict(use_abs_pos_emb=True)])
@pytest.mark.parametrize('size', [(128, 128), (150, 41)])
def test_images_of_any_size_are_seen_as_by_the_model_of_that_size(size, kwargs):
    source = randomised(build(**kwargs))
    target = build(img_size=size, **kwargs).double().eval()
    target.load_state_dict(source.state_dict())
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    maps = source(images)[0]
    assert maps.shape == (2, 16, math.ceil(size[0] / 16), math.ceil(size[1] / 16))
    assert relative_error(maps, target(images)[0]) < 1e-12


@pytest.mark.parametrize('kwargs', [{}, PER_BLOCK, dict(use_abs_pos_emb=True)])
def test_every_parameter_is_trained(kwargs):
    model, golden = simmim_vit()
    model.backbone = build(**kwargs).double()
    model.backbone.add_mask_token()
    model.masked_loss(golden['input'], golden['mask']).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


# the compiler is slow with sizes that it does not fix
@pytest.mark.parametrize('layers, sizes, kwargs', [
    (2, [96], dict(drop_path_rate=0.2)), (2, [96], dict(with_cp=True, **PER_BLOCK)), (1, [112, 64], SHARED)])
def test_compiles_as_one_graph(layers, sizes, kwargs):
    """Captured only; derivatives and code of the compiler are tested on the golden vectors."""
    torch.manual_seed(0)
    model = build(dict(TINY, num_layers=layers), **kwargs)
    model.add_mask_token()
    model.double()
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend='eager')
    for size in sizes:
        images = torch.randn(2, 3, size, size, dtype=torch.float64)
        mask = torch.randint(0, 2, (2, size // 16, size // 16))
        results = []
        for forward in (model, compiled):
            model.zero_grad()
            output = forward(images, mask)[-1]
            output.square().sum().backward()
            results.append([output.detach(), *(p.grad.clone() for p in model.parameters())])
        if not kwargs.get('drop_path_rate'):
            torch.testing.assert_close(*results)


def test_bfloat16_autocast_keeps_the_sum_of_residuals_in_float32():
    model = build()
    images = torch.randn(2, 3, 128, 96)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        output = model(images)[0]
    assert output.dtype == torch.float32
    assert relative_error(output, model(images)[0]) < 0.03


# standard deviation of a normal distribution that is cut at one sigma, in sigmas
CUT = 0.5396


def test_official_initialisation():
    torch.manual_seed(0)
    model = build(dict(embed_dims=256, num_layers=3, num_heads=4, feedforward_channels=512), use_abs_pos_emb=True)
    model.add_mask_token()
    for name, value in model.state_dict().items():
        divisor = 1.
        if name.endswith(('attn.proj.weight', 'ffn.layers.1.weight')):
            divisor = math.sqrt(2 * (int(name.split('.')[1]) + 1))
        if name.endswith(('gamma_1', 'gamma_2')):
            assert torch.equal(value, torch.full_like(value, 0.1))
        elif '.ln' in name or name.startswith('ln'):
            assert torch.equal(value, torch.full_like(value, float(name.endswith('weight'))))
        elif name.endswith(('bias', 'bias_table')):
            assert not value.any(), name
        else:
            sigma = 0.02 / divisor
            tolerance = 4 / math.sqrt(value.numel())  # the spread of a standard deviation from that many numbers
            assert abs(value.std().item() / sigma / CUT - 1) < tolerance, name
            assert value.abs().max() <= sigma * (1 + 1e-6), name
    before = copy.deepcopy(model.state_dict())
    model.init_weights()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_drop_path_grows_linearly_over_all_blocks():
    model = build(dict(TINY, num_layers=5), drop_path_rate=0.4)
    rates = [getattr(layer.drop_path, 'p', 0) for layer in model.layers]
    torch.testing.assert_close(torch.tensor(rates), torch.linspace(0, 0.4, 5))


def test_dropout_reaches_embedding_attention_and_mlp():
    model = build(drop_rate=0.3, layer_cfgs=[{}, dict(drop_rate=0.1, attn_drop_rate=0.2), {}])
    rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.3] + [0.3] * 3 + [0.1] * 3 + [0.3] * 3
    assert model.layers[1].attn.attn_drop_rate == 0.2
    model.eval()
    images = torch.randn(1, 3, 96, 96)
    assert torch.equal(model(images)[0], model(images)[0])


@pytest.mark.parametrize('frozen, expected', [
    (0, {'cls_token', 'pos_embed', 'patch_embed', 'rel_pos_bias', '0', '1', '2', 'ln1', 'ln2'}),
    (2, {'rel_pos_bias', '2', 'ln1', 'ln2'}), (3, set())])
def test_frozen_stages_stay_as_they_are(frozen, expected):
    model = build(frozen_stages=frozen, use_abs_pos_emb=True, out_type='avg_featmap', drop_rate=0.1)
    assert model.train() is model
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name.removeprefix('layers.').split('.')[0] for name in trainable} == expected
    assert model.drop_after_pos.training == (frozen == 0)
    assert [layer.training for layer in model.layers] == [i >= frozen for i in range(3)]


def test_layer_depth_equals_official():
    scales = json.loads((DATA / 'finetune.json').read_text())['vit_base_layer_decay_0.65']
    with torch.device('meta'):
        model = VisionTransformer('base', **FINE_TUNING)
    converted = convert_state_dict({name: torch.tensor(scale, dtype=torch.float64)
                                    for name, (scale, _) in scales.items()}, to='mmsimmim')
    assert set(converted) == {'head.fc.weight', 'head.fc.bias',
                              *(f'backbone.{name}' for name, _ in model.named_parameters())}
    for key, scale in converted.items():
        depth, num_depths = model.get_layer_depth(key, 'backbone.')
        assert num_depths == 14 and math.isclose(0.65**(num_depths - 1 - depth), scale), key


@pytest.mark.parametrize('name, depth', [
    ('backbone.mask_token', 0), ('backbone.pos_embed', 0), ('backbone.rel_pos_bias.relative_position_bias_table', 4),
    ('backbone.ln1.weight', 4), ('backbone.layers.2.gamma_1', 3), ('head.fc.weight', 4)])
def test_layer_depth(name, depth):
    assert build().get_layer_depth(name, 'backbone.') == (depth, 5)


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='huge'), "arch 'huge' is none of"), (dict(arch=dict(embed_dims=16)), 'feedforward_channels'),
    (dict(arch=dict(TINY, depth=3)), 'needs the keys'), (dict(arch=dict(TINY, num_heads=3)), 'num_heads 3'),
    (dict(img_size=(96, 96, 3)), 'one int or two'), (dict(patch_size=(16, 8)), 'patch_size .* square'),
    (dict(out_indices=3), 'out_indices .* between 0 and 2'), (dict(out_indices=(2, -1)), 'twice'),
    (dict(out_indices=()), 'out_indices'), (dict(out_type='map'), 'out_type'),
    (dict(bias='k_bias'), 'qv_bias'), (dict(norm_cfg=dict(type='BN')), 'norm_cfg'),
    (dict(norm_cfg=dict(type='LN', requires_grad=False)), 'norm_cfg .*requires_grad'),
    (dict(frozen_stages=4), 'frozen_stages'), (dict(use_rel_pos_bias=True), 'cannot both'),
    (dict(with_cls_token=False, out_type='cls_token'), 'with_cls_token'),
    (dict(interpolate_mode='cubic'), 'interpolate_mode'), (dict(bias_resize='cubic'), 'bias_resize'),
    (dict(patch_cfg=dict(stride=8)), 'patch_cfg .*stride'), (dict(patch_cfg=dict(padding='same')), 'padding'),
    (dict(layer_cfgs=dict(num_fcs=3)), 'layer_cfgs .*num_fcs'), (dict(layer_cfgs=[{}, {}]), '2 dicts for 3 blocks')])
def test_what_cannot_be_honoured_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_masks_are_refused_off_the_grid_and_without_token():
    model = build()
    with pytest.raises(ValueError, match='mask token'):
        model(torch.zeros(1, 3, 96, 96), torch.zeros(1, 6, 6))
    model.add_mask_token()
    with pytest.raises(ValueError, match='input_size'):
        model(torch.zeros(1, 3, 96, 96), torch.zeros(1, 3, 3))
    with pytest.raises(ValueError, match='4 channels, but in_channels is 3'):
        model(torch.zeros(1, 4, 96, 96))
