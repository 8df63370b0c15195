"""What ``init_cfg`` of the backbone makes of every kind of checkpoint, inside detectors and segmentors."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint

from mmsimmim.checkpoints import write_checkpoint
from mmsimmim.layers import resize_bias_table, resize_token_bias_table
from mmsimmim.models.backbones.loading import CheckpointMismatch
from tests.downstream.pretrained import CHANNELS, KINDS, downstream, parameters, save
from tests.downstream.stock_models import CHANNELS as STOCK_CHANNELS
from tests.downstream.stock_models import DETECTOR, OUR_SWIN, SEGMENTOR, STOCK_SWIN, build, draw_weights
from tests.models.backbones.test_loading import report_of

FRAMEWORKS = [DETECTOR, SEGMENTOR]
TABLE = 'relative_position_bias_table'
# Norms of maps that a pre-training or classifier does not return; they begin as 1 and 0.
NORMS = [f'norm{i}.{kind}' for i in range(3) for kind in ('weight', 'bias')]


def initialised(framework, backbone, channels):
    model = build(framework, backbone, channels=channels)
    with DefaultScope.overwrite_default_scope(framework):
        model.init_weights()
    return model.eval()


def from_file(path, **kwargs):
    return dict(init_cfg=dict(type='Pretrained', checkpoint=path, **kwargs))


@torch.no_grad()
@pytest.mark.parametrize('framework', FRAMEWORKS)
@pytest.mark.parametrize('encoder', CHANNELS)
@pytest.mark.parametrize('kind', KINDS)
def test_maps_are_those_of_the_encoder_that_was_saved(tmp_path, kind, encoder, framework):
    path, saved = save(encoder, kind, tmp_path)
    model = initialised(framework, downstream(encoder, kind=kind, **from_file(path)), CHANNELS[encoder])
    images = torch.randn(1, 3, 96, 160 if encoder != 'vit' else 96, generator=torch.Generator().manual_seed(0))
    if encoder == 'vit':
        saved.out_type, saved.ln2 = 'featmap', None
    expected, = saved(images)
    assert (model.backbone(images)[-1] - expected).abs().max() <= 1e-5 * expected.abs().max()
    own, given = parameters(model.backbone), parameters(saved)
    # a ViT has one norm after the last block in all cases, and one table per block instead of a shared one
    new = [name for name in own if name not in given and TABLE not in name]
    assert new == ([] if encoder == 'vit' else NORMS)
    assert all(torch.equal(own[name], given[name]) for name in own if name in given)


@pytest.mark.parametrize('encoder, framework', [('swin', DETECTOR), ('swin', SEGMENTOR), ('swin_v2', SEGMENTOR),
                                                ('vit', DETECTOR)])
@pytest.mark.parametrize('kind', KINDS)
def test_tables_of_another_window_are_resized(tmp_path, kind, encoder, framework):
    path, saved = save(encoder, kind, tmp_path)
    model = initialised(framework, downstream(encoder, larger=True, kind=kind, **from_file(path)), CHANNELS[encoder])
    own, given = parameters(model.backbone), parameters(saved)
    tables = [name for name in own if name.endswith(TABLE)]
    assert len(tables) == dict(swin=7, swin_v2=0, vit=4)[encoder]
    for name, value in own.items():
        if name not in tables:
            assert name in NORMS or torch.equal(value, given[name])
        elif encoder == 'vit':
            source = given.get(name, given.get(f'rel_pos_bias.{TABLE}'))
            assert torch.equal(value, resize_token_bias_table(source, (8, 8)))
        else:
            assert torch.equal(value, resize_bias_table(given[name], 13 * 13))


@pytest.mark.parametrize('kind, framework', [('pre-training', DETECTOR), ('exported', DETECTOR),
                                             ('official', SEGMENTOR)])
def test_a_vit_with_windows_takes_the_shared_table_as_it_is(tmp_path, kind, framework):
    """The class token is left out, nothing is missing; only global blocks resize their table, when they run."""
    path, saved = save('vit', kind, tmp_path)
    windowed = dict(window_size=6, global_attn_indexes=(1, 3), with_cls_token=False)
    models = []
    text = report_of(tmp_path, lambda: models.append(
        initialised(framework, downstream('vit', **windowed, **from_file(path)), CHANNELS['vit'])))
    own, given = parameters(models[0].backbone), parameters(saved)
    assert f'VisionTransformer: {len(own)} of {len(own)} parameters matched (0 of them resized)' in text
    assert ', 0 missing, 0 unexpected' in text
    tables = [name for name in own if name.endswith(TABLE)]
    assert len(tables) == 4 and 'cls_token' not in own
    assert all(torch.equal(own[name], given[f'rel_pos_bias.{TABLE}']) for name in tables)
    assert all(torch.equal(value, given[name]) for name, value in own.items() if name not in tables)


def unchanged(module, before):
    return all(torch.equal(value, before[name]) for name, value in module.named_parameters())


@pytest.mark.parametrize('framework', FRAMEWORKS)
def test_the_log_has_the_report(tmp_path, framework):
    path, _ = save('swin', 'pre-training', tmp_path)
    text = report_of(tmp_path, lambda: initialised(framework, downstream('swin', larger=True, **from_file(path)),
                                                   CHANNELS['swin']))
    assert 'INFO - SwinTransformer: 106 of 112 parameters matched (7 of them resized), 6 missing, 0 unexpected' in text
    assert f'resized: stages.*.blocks.*.attn.w_msa.{TABLE} (7)' in text
    assert 'missing, left as they were: norm0.weight' in text


@pytest.mark.parametrize('framework', FRAMEWORKS)
@pytest.mark.parametrize('encoder, other, kind', [
    ('swin', 'swin_v2', 'pre-training'), ('swin_v2', 'swin', 'official'), ('swin', 'vit', 'exported'),
    ('vit', 'swin', 'pre-training')])
def test_another_architecture_is_refused_whole(tmp_path, encoder, other, kind, framework):
    path, _ = save(other, kind, tmp_path)
    model = build(framework, downstream(encoder, **from_file(path)), channels=CHANNELS[encoder])
    before = parameters(model.backbone)
    name = dict(swin='Swin', swin_v2='Swin V2', vit='ViT')
    with pytest.raises(CheckpointMismatch, match=f'does not fit this .*holds .*{name[other]}.* the backbone is '
                       f'.*{name[encoder]}.*Give a checkpoint of the same architecture'):
        model.init_weights()
    assert unchanged(model.backbone, before)


@pytest.mark.parametrize('change', [dict(depths=[2, 2, 4, 1]), dict(depths=[2, 2, 1, 1]), dict(embed_dims=16),
                                    dict(num_heads=[2, 2, 2, 4])], ids=str)
def test_another_size_of_the_same_architecture_is_refused_whole(tmp_path, change):
    path, _ = save('swin', 'pre-training', tmp_path)
    backbone = downstream('swin', **from_file(path))
    model = build(DETECTOR, dict(backbone, arch={**backbone['arch'], **change}))
    before = parameters(model.backbone)
    with pytest.raises(CheckpointMismatch, match='the checkpoint does not fit this SwinTransformer'):
        model.init_weights()
    assert unchanged(model.backbone, before)


# What stands before the names of an encoder that is found, and of one that is not.
KNOWN = ['backbone.', 'backbone.backbone.', 'module.backbone.', 'model.backbone.', '_orig_mod.backbone.',
         'module._orig_mod.backbone.', 'module.module.backbone.']
BARE = ['', 'module.', 'model.', '_orig_mod.']
UNKNOWN = ['student.backbone.', 'detector.backbone.', 'net.', 'backbone.body.']


@pytest.fixture(scope='module')
def detector():
    return build(DETECTOR, downstream('swin'), channels=CHANNELS['swin'])


@pytest.fixture(params=['init_cfg', 'load_from'])
def load(request, detector, tmp_path):
    """A function that writes a state dict, and loads it as ``init_cfg`` of the encoder or into the whole detector."""
    path = str(tmp_path / 'file.pth')

    def load(state_dict):
        write_checkpoint(path, state_dict)
        if request.param == 'load_from':
            load_checkpoint(detector, path)
        else:
            detector.backbone.init_cfg, detector.backbone.is_init = from_file(path)['init_cfg'], False
            detector.backbone.init_weights()

    return load


def renamed(detector, prefix, with_others):
    """Weights of the encoder below a prefix, and those of the other parts beside it."""
    state = {prefix + name: value for name, value in parameters(detector.backbone).items()}
    above = prefix.removesuffix('backbone.')
    others = {above + name: value for name, value in parameters(detector).items() if not name.startswith('backbone.')}
    return {**state, **others} if with_others else state


@pytest.mark.parametrize('prefix, with_others', [*((prefix, True) for prefix in KNOWN),
                                                 *((prefix, False) for prefix in KNOWN + BARE)])
def test_known_prefixes_are_taken_off(detector, load, prefix, with_others):
    draw_weights(detector, seed=1)
    expected = parameters(detector.backbone)
    state = renamed(detector, prefix, with_others)
    draw_weights(detector, seed=2)
    load(state)
    assert unchanged(detector.backbone, expected)


@pytest.mark.parametrize('with_others', [True, False])
@pytest.mark.parametrize('prefix', UNKNOWN)
def test_below_an_unknown_prefix_nothing_is_loaded(detector, load, prefix, with_others):
    state = renamed(detector, prefix, with_others)
    draw_weights(detector, seed=3)
    before = parameters(detector)
    with pytest.raises(CheckpointMismatch):
        load(state)
    assert unchanged(detector, before)


@pytest.mark.parametrize('prefixes', [('', 'backbone.'), ('backbone.', 'model.backbone.'), ('backbone.', 'student.')])
def test_half_of_an_encoder_here_and_half_there_is_refused(detector, load, prefixes):
    first, second = prefixes
    state = {(second if name.startswith(('stages.2', 'stages.3')) else first) + name: value
             for name, value in parameters(detector.backbone).items()}
    draw_weights(detector, seed=4)
    before = parameters(detector)
    with pytest.raises(CheckpointMismatch):
        load(state)
    assert unchanged(detector, before)


@pytest.mark.parametrize('framework, heads', [(DETECTOR, 'roi_head.'), (SEGMENTOR, 'decode_head.')])
def test_a_whole_model_with_the_stock_swin_gives_its_encoder(tmp_path, framework, heads):
    """With its heads and index buffers; they are no part of the encoder, and not reported as such."""
    stock = build(framework, STOCK_SWIN)
    draw_weights(stock)
    state = stock.state_dict()
    assert any(name.startswith(heads) for name in state) and any('relative_position_index' in name for name in state)
    path = str(tmp_path / 'stock.pth')
    write_checkpoint(path, state)
    models = []
    text = report_of(tmp_path, lambda: models.append(
        initialised(framework, dict(OUR_SWIN, **from_file(path)), STOCK_CHANNELS)))
    own = parameters(models[0].backbone)
    assert f'{len(own)} of {len(own)} parameters matched (0 of them resized), 0 missing, 0 unexpected' in text
    assert all(torch.equal(value, state[f'backbone.{name}']) for name, value in own.items())
