"""What a state dict holds is told by names and shapes."""

import pytest
import torch
from torchvision.models import resnet18, swin_t, vit_b_16

from mmsimmim.checkpoints import UnknownCheckpoint, convert_state_dict, recognise
from mmsimmim.errors import UserError
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from tests.golden import below, load


@pytest.mark.parametrize('name, encoder, sizes', [
    ('simmim_swin.npz', 'swin', dict(depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), windows=(6, 6, 6, 3), patch_size=4)),
    ('simmim_swinv2.npz', 'swin_v2',
     dict(depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), windows=(6, 6, 6, 3), patch_size=4)),
    ('simmim_vit.npz', 'vit', dict(depths=(3, ), num_heads=(4, ), windows=(6, ), patch_size=16, shared_table=True))])
def test_official_pre_training(name, encoder, sizes):
    contents = recognise(below(load(name), 'param/'))
    assert (contents.family, contents.encoder, contents.arch) == ('official', encoder, None)
    assert (contents.mask_token, contents.decoder, contents.num_classes) == (True, True, None)
    assert (contents.resolution, contents.in_channels, contents.other_parts) == (96, 3, ())
    assert {key: getattr(contents, key) for key in sizes} == sizes


def test_resolution_by_a_shift_mask():
    """Windows 6, 6, 6, 6 at 192 pixels: none has shrunk."""
    contents = recognise(below(load('finetune.npz'), 'swin_finetune/pretrained/'))
    assert contents.windows == (6, 6, 6, 6) and contents.resolution == 192


@pytest.mark.parametrize('backbone, arch', [
    (SwinTransformer, 'base'), (SwinTransformer, 'nano'), (SwinTransformerV2, 'atto'), (SwinTransformerV2, 'tiny'),
    (SwinTransformerV2, 'huge'), (VisionTransformer, 'base')])
def test_a_named_architecture(backbone, arch):
    with torch.device('meta'):
        state = backbone(arch).state_dict()
    assert recognise(state).arch == arch
    assert recognise(convert_state_dict(state, to='official')).arch == arch


@pytest.mark.parametrize('kwargs', [
    dict(with_cls_token=False),
    dict(use_shared_rel_pos_bias=False, use_abs_pos_emb=True),
    dict(layer_scale_init_value=0.),
    dict(bias=True, final_norm=False, out_type='avg_featmap'),
    dict(img_size=(64, 96))])
def test_all_kinds_of_our_vit(kwargs):
    arch = dict(embed_dims=16, num_layers=2, num_heads=4, feedforward_channels=64)
    state = VisionTransformer(**(dict(arch=arch, img_size=96) | kwargs)).state_dict()
    contents = recognise({'backbone.' + key: tensor for key, tensor in state.items()})
    assert contents.encoder == 'vit' and contents.depths == (2, )
    if kwargs.get('use_shared_rel_pos_bias', True) and 'img_size' not in kwargs:
        assert contents.shared_table and contents.resolution == 96
    else:
        assert contents.resolution is None


@pytest.mark.parametrize('name', ['simmim_swin.npz', 'simmim_swinv2.npz', 'simmim_vit.npz'])
@pytest.mark.parametrize('to', ['official', 'mmpretrain', 'timm', 'mmsimmim'])
@pytest.mark.parametrize('shape', [(), (0, ), (7, ), (2, 3, 5), (1, 2, 2, 1)])
def test_strange_shapes_are_no_crash(name, to, shape):
    """Either they do not matter, or they are named."""
    state = convert_state_dict(below(load(name), 'param/'), to=to)
    strange = {key: torch.zeros(shape) for key in state}
    try:
        assert recognise(strange).encoder == recognise(state).encoder
    except UnknownCheckpoint as error:
        assert str(shape) in str(error)


def test_a_part_is_enough():
    contents = recognise({'backbone.norm3.bias': torch.zeros(8)})
    assert (contents.encoder, contents.embed_dims, contents.depths, contents.windows) == ('swin', None, (), ())


@pytest.mark.parametrize('state, message', [
    ({}, 'empty'),
    ({'model': {'encoder.norm.bias': torch.zeros(8)}}, r"more than tensors \(model\).*checkpoint\['model'\]"),
    ({'state': {}, 'param_groups': []}, 'optimizer'),
    ({0: torch.zeros(8)}, 'unknown network'),
    ({'a.b': torch.zeros(8), 'c': torch.zeros(8)}, '2 parameters of an unknown network: a.b, c'),
    ({'neck.lateral_convs.0.conv.weight': torch.zeros(8)}, 'unknown network'),
    ({'encoder.patch_embed.proj.bias': torch.zeros(8), 'encoder.norm.weight': torch.zeros(8),
      'encoder.absolute_pos_embed': torch.zeros(8)}, 'nearly: official SimMIM .*absolute_pos_embed'),
    ({f'blocks.0.attn.qkv.{name}': torch.zeros(48) for name in ('weight', 'bias')}, 'ordinary ViT'),
    ({f'vit.encoder.layer.0.attention.attention.key.{name}': torch.zeros(48) for name in ('weight', 'bias')},
     'ordinary ViT'),
    ({'stages.0.blocks.0.attn.meta_mlp.fc1.weight': torch.zeros(384, 2)}, 'swinv2_cr')])
def test_what_is_no_encoder_of_ours(state, message):
    with pytest.raises(UnknownCheckpoint, match=message) as raised:
        recognise(state)
    assert isinstance(raised.value, UserError)


@pytest.mark.parametrize('model, message', [
    (resnet18, 'a ResNet'), (swin_t, "torchvision's Swin"), (vit_b_16, 'ordinary ViT')])
@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_networks_of_others(model, message, prefix):
    with torch.device('meta'):
        state = {prefix + key: tensor for key, tensor in model().state_dict().items()}
    with pytest.raises(UnknownCheckpoint, match=message):
        convert_state_dict(state, to='mmsimmim')
