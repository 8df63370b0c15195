"""timm's encoders and ours give the same features with the same weights, there and back."""

import pytest
import torch
from timm.models.beit import Beit
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2

from mmsimmim.checkpoints import convert_state_dict, recognise
from tests.checkpoints.random_weights import SIZE, images, randomise, same_bits, swin, swin_v2, vit
from tests.golden import relative_error

SWIN = dict(img_size=SIZE, embed_dim=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), window_size=6, num_classes=5)
BEIT = dict(img_size=SIZE, embed_dim=16, depth=3, num_heads=4, num_classes=5, init_values=0.1)


@pytest.mark.parametrize('theirs, ours', [(SwinTransformer, swin), (SwinTransformerV2, swin_v2)])
def test_swin(theirs, ours):
    model = randomise(theirs(**SWIN))
    expected = model.forward_features(images()).permute(0, 3, 1, 2)
    assert relative_error(ours(model.state_dict())(images())[-1], expected) < 1e-6


@pytest.mark.parametrize('theirs', [SwinTransformer, SwinTransformerV2])
def test_swin_there_and_back(theirs):
    model = randomise(theirs(**SWIN))
    state = model.state_dict()
    contents = recognise(state)
    assert (contents.family, contents.num_classes, contents.depths) == ('timm', 5, (2, 2, 2, 2))
    ours = convert_state_dict(state, to='mmsimmim')
    assert ours['head.fc.weight'] is state['head.fc.weight']
    again = convert_state_dict(ours, to='timm')
    assert same_bits(again, state)
    model.load_state_dict(again)


def test_beit_averages_patches_with_a_table_per_block():
    model = randomise(Beit(**BEIT, use_abs_pos_emb=False, use_rel_pos_bias=True))
    ours = vit(model.state_dict(), use_rel_pos_bias=True, use_shared_rel_pos_bias=False, final_norm=False,
               out_type='avg_featmap')
    expected = model.forward_head(model.forward_features(images()), pre_logits=True)
    assert relative_error(ours(images())[-1], expected) < 1e-6


def test_beit_with_absolute_positions_and_a_shared_table():
    model = randomise(Beit(**BEIT, use_rel_pos_bias=False, use_shared_rel_pos_bias=True, global_pool='token'))
    ours = vit(model.state_dict(), use_abs_pos_emb=True, out_type='raw')
    assert relative_error(ours(images())[-1], model.forward_features(images())) < 1e-6


@pytest.mark.parametrize('kwargs', [
    dict(use_abs_pos_emb=False, use_rel_pos_bias=True),
    dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True, global_pool='token')])
def test_beit_there_and_back(kwargs):
    model = randomise(Beit(**BEIT, **kwargs))
    state = model.state_dict()
    contents = recognise(state)
    assert (contents.encoder, contents.num_classes) == ('vit', 5)
    assert contents.shared_table is not kwargs['use_rel_pos_bias']
    again = convert_state_dict(convert_state_dict(state, to='mmsimmim'), to='timm')
    assert same_bits(again, state)
    model.load_state_dict(again)


def test_zeros_for_the_bias_of_the_keys_are_read_over():
    state = randomise(Beit(**BEIT, use_abs_pos_emb=False, use_rel_pos_bias=True)).state_dict()
    zeros = {f'blocks.{block}.attn.k_bias': torch.zeros(16) for block in range(3)}
    assert recognise(state | zeros).family == 'timm'
    assert same_bits(convert_state_dict(state | zeros, to='timm'), state)


def test_mask_token_and_decoder_stay_behind():
    state = randomise(SwinTransformer(**SWIN)).state_dict()
    ours = convert_state_dict(state, to='mmsimmim')
    ours = {key: tensor for key, tensor in ours.items() if not key.startswith('head.')}
    ours |= {'backbone.mask_token': torch.zeros(1, 1, 8), 'neck.decoder.0.weight': torch.zeros(3072, 64, 1, 1)}
    again = convert_state_dict(ours, to='timm')
    assert set(state) - set(again) == {'head.fc.weight', 'head.fc.bias'} and set(again) <= set(state)


def test_what_timm_has_not_is_refused():
    extra = {'backbone.stages.0.blocks.5.norm3.weight': torch.zeros(8),
             'backbone.stages.0.blocks.5.attn.w_msa.logit_scale': torch.zeros(1, 1, 1)}
    with pytest.raises(ValueError, match='timm SwinTransformerV2 has no place .*norm3'):
        convert_state_dict(extra, to='timm')


def test_files_before_timm_09_have_the_official_form():
    state = randomise(SwinTransformer(**SWIN)).state_dict()
    old = convert_state_dict(state, to='official')
    assert 'layers.0.downsample.norm.weight' in old and 'head.weight' in old
    assert same_bits(convert_state_dict(old, to='timm'), state)
