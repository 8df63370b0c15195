"""The encoders of mmpretrain, mmdet and mmsegmentation and ours give the same maps with converted weights.

Their names are ours: what is tested is that the export of official weights fits their classes, and loads through their
own ``init_cfg``.
"""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import pytest
import torch
from mmdet.models.backbones.swin import SwinTransformer as DetSwin
from mmengine import ConfigDict
from mmpretrain.models import SimMIM
from mmpretrain.models.backbones import BEiTViT, SwinTransformerV2
from mmpretrain.models.backbones import SwinTransformer as PretrainSwin
from mmpretrain.models.selfsup.beit import BEiTPretrainViT
from mmseg.models.backbones import BEiT
from mmseg.models.backbones import SwinTransformer as SegSwin

from mmsimmim.checkpoints import convert_state_dict, recognise
from tests.checkpoints.random_weights import SIZE, VIT, images, randomise, same_bits, swin, swin_v2, vit
from tests.golden import below, load, relative_error

HIERARCHY = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
BUFFERS = ('relative_position_index', 'relative_coords_table')


def learned(model):
    return {key: tensor for key, tensor in model.state_dict().items() if not key.endswith(BUFFERS)}


def with_prefix(state_dict, prefix='backbone.'):
    return {prefix + key: tensor for key, tensor in state_dict.items()}


def downstream_swin(swin_class, **kwargs):
    return swin_class(embed_dims=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), window_size=6, **kwargs)


def pretrain_swin():
    windows = [dict(block_cfgs=dict(window_size=window)) for window in (6, 6, 6, 3)]
    return randomise(PretrainSwin(arch=HIERARCHY, img_size=SIZE, stage_cfgs=windows, drop_path_rate=0.))


def pretrain_swin_v2():
    return randomise(SwinTransformerV2(arch=dict(HIERARCHY, extra_norm_every_n_blocks=2), img_size=SIZE,
                                       window_size=[6, 6, 6, 3], drop_path_rate=0.))


def pretrain_vit(shared=False, **kwargs):
    return randomise(BEiTViT(arch=VIT, img_size=SIZE, use_rel_pos_bias=not shared, use_shared_rel_pos_bias=shared,
                             drop_path_rate=0., **kwargs))


@pytest.mark.parametrize('whole', [False, True])
@pytest.mark.parametrize('build, ours, kwargs', [
    (pretrain_swin, swin, {}),
    (pretrain_swin_v2, swin_v2, dict(arch=dict(HIERARCHY, extra_norm_every_n_blocks=2))),
    (pretrain_vit, vit, dict(use_rel_pos_bias=True, use_shared_rel_pos_bias=False, final_norm=False,
                             out_type='avg_featmap'))])
def test_mmpretrain(build, ours, kwargs, whole):
    model = build()
    state = model.state_dict()
    theirs = with_prefix(state) if whole else state
    expected, = model(images())
    assert relative_error(ours(theirs, **kwargs)(images())[-1], expected) < 1e-6
    assert recognise(theirs).family == 'mmsimmim'
    official = convert_state_dict(theirs, to='official')
    assert same_bits(convert_state_dict(official, to='backbone'), learned(model))


@pytest.mark.parametrize('swin_class', [DetSwin, SegSwin])
@pytest.mark.parametrize('whole', [False, True])
def test_downstream_swin(swin_class, whole):
    model = randomise(downstream_swin(swin_class))
    theirs = with_prefix(model.state_dict()) if whole else model.state_dict()
    ours = swin(theirs, img_size=None, out_indices=(0, 1, 2, 3))
    for map, expected in zip(ours(images(203)), model(images(203))):
        assert relative_error(map, expected) < 1e-6
    official = convert_state_dict(theirs, to='official')
    assert 'backbone.layers.0.blocks.0.attn.qkv.weight' in official and 'backbone.norm0.weight' in official
    assert same_bits(convert_state_dict(official, to='backbone'), learned(model))


@pytest.mark.parametrize('swin_class, to', [(DetSwin, 'mmdet'), (SegSwin, 'mmseg'), (SegSwin, 'backbone')])
def test_official_weights_load_through_their_own_init_cfg(swin_class, to, tmp_path):
    official = convert_state_dict(randomise(downstream_swin(DetSwin)).state_dict(), to='official')
    torch.save({'state_dict': convert_state_dict(official, to=to)}, tmp_path / 'exported.pth')
    init_cfg = ConfigDict(type='Pretrained', checkpoint=str(tmp_path / 'exported.pth'))
    model = downstream_swin(swin_class, init_cfg=init_cfg)
    model.init_weights()
    expected = convert_state_dict(official, to='backbone')
    assert same_bits(learned(model), {key: tensor.float() for key, tensor in expected.items()})


def test_mmdetection_resizes_the_tables_of_another_window(tmp_path):
    """Which fails if index buffers are in the file."""
    state = convert_state_dict(downstream_swin(DetSwin).state_dict(), to='mmdet')
    torch.save({'state_dict': state}, tmp_path / 'exported.pth')
    model = DetSwin(embed_dims=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), window_size=7,
                    init_cfg=ConfigDict(type='Pretrained', checkpoint=str(tmp_path / 'exported.pth')))
    model.init_weights()
    block = 'stages.0.blocks.0.ffn.layers.1.weight'
    assert torch.equal(model.state_dict()[block], state['backbone.' + block])


def test_a_shared_table_becomes_one_per_block_for_beit_of_mmsegmentation(tmp_path):
    official = below(load('simmim_vit.npz'), 'param/')
    state = convert_state_dict(official, to='mmseg')
    torch.save(state, tmp_path / 'exported.pth')
    model = BEiT(img_size=SIZE, patch_size=16, embed_dims=16, num_layers=3, num_heads=4, out_indices=(2, ),
                 init_values=0.1, norm_cfg=dict(type='LN', eps=1e-6), final_norm=True, drop_path_rate=0.,
                 init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'exported.pth')))
    model.init_weights()
    model.double().eval()
    # what was read as float32 is float64 in the file
    model.load_state_dict(state, strict=False)
    assert same_bits(learned(model), state)
    expected, = vit(official)(images())
    assert relative_error(model(images())[0], expected) < 1e-6


def simmim_of_mmpretrain():
    """Shaped as the official model of the reference numbers."""
    arch = dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    windows = [dict(block_cfgs=dict(window_size=window)) for window in (6, 6, 6, 3)]
    return randomise(SimMIM(
        backbone=dict(type='mmpretrain.SimMIMSwinTransformer', arch=arch, img_size=SIZE, stage_cfgs=windows,
                      drop_path_rate=0.),
        neck=dict(type='mmpretrain.SimMIMLinearDecoder', in_channels=32, encoder_stride=32),
        head=dict(type='mmpretrain.SimMIMHead', patch_size=4,
                  loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L1'))))


def test_simmim_of_mmpretrain_with_official_parameters():
    arrays = load('simmim_swin.npz')
    model = simmim_of_mmpretrain()
    model.load_state_dict(convert_state_dict(below(arrays, 'param/'), to='mmpretrain'))
    latent, = model.backbone(arrays['input'], arrays['mask'])
    assert relative_error(latent, arrays['latent']) < 1e-6
    assert relative_error(model.neck(latent), arrays['reconstruction']) < 1e-6


def test_simmim_of_mmpretrain_there_and_back():
    """Encoder, mask token and decoder; index buffers come back too."""
    state = simmim_of_mmpretrain().state_dict()
    official = convert_state_dict(state, to='official')
    assert 'encoder.mask_token' in official and 'decoder.0.weight' in official
    assert same_bits(convert_state_dict(official, to='mmpretrain'), state)


def test_a_classifier_there_and_back():
    head = {'head.fc.weight': torch.randn(5, 16), 'head.fc.bias': torch.randn(5)}
    state = with_prefix(learned(pretrain_vit())) | head
    official = convert_state_dict(state, to='official')
    assert 'fc_norm.weight' in official and 'head.weight' in official
    assert same_bits(convert_state_dict(official, to='mmpretrain'), state)


def test_beit_pre_training_of_mmpretrain_without_its_head():
    model = randomise(BEiTPretrainViT(arch=VIT, img_size=SIZE, use_rel_pos_bias=False, use_shared_rel_pos_bias=True))
    state = with_prefix(model.state_dict()) | {'head.cls_head.weight': torch.zeros(9, 16)}
    contents = recognise(state)
    assert (contents.mask_token, contents.shared_table, contents.other_parts) == (True, True, ('head', ))
    assert convert_state_dict(state, to='official').keys() == {
        key for key in convert_state_dict(with_prefix(learned(model)), to='official')}


def test_a_detector_gives_its_encoder():
    state = with_prefix(randomise(downstream_swin(DetSwin)).state_dict()) | {
        'neck.lateral_convs.0.conv.weight': torch.zeros(256, 8, 1, 1), 'rpn_head.rpn_cls.bias': torch.zeros(3)}
    assert recognise(state).other_parts == ('neck', 'rpn_head')
    assert all(key.startswith('backbone.') for key in convert_state_dict(state, to='mmsimmim'))


@pytest.mark.parametrize('build, to, advice', [
    (pretrain_swin_v2, 'mmdet', 'mmdet has no such encoder.*SwinTransformerV2'),
    (pretrain_swin_v2, 'mmseg', 'mmseg has no such encoder.*SwinTransformerV2'),
    (pretrain_vit, 'mmdet', 'mmdet has no such encoder.*VisionTransformer')])
def test_what_a_code_base_has_not_is_refused(build, to, advice):
    with pytest.raises(ValueError, match=advice):
        convert_state_dict(build().state_dict(), to=to)
