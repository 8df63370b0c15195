"""Hugging Face's encoders and ours give the same features with the same weights, in files and in memory."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    BeitForMaskedImageModeling,
    BeitModel,
    SwinBackbone,
    SwinConfig,
    SwinForImageClassification,
    SwinForMaskedImageModeling,
    SwinModel,
    Swinv2Backbone,
    Swinv2Config,
    Swinv2ForImageClassification,
    Swinv2ForMaskedImageModeling,
    Swinv2Model,
    is_torch_available,
)

from mmsimmim.checkpoints import convert_state_dict, recognise
from tests.checkpoints.random_weights import SIZE, images, randomise, same_bits, swin, swin_v2, vit
from tests.golden import relative_error

pytestmark = pytest.mark.skipif(not is_torch_available(), reason='transformers works with newer releases of torch only')

HIERARCHY = dict(image_size=SIZE, patch_size=4, embed_dim=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4],
                 encoder_stride=32, num_labels=5)
# Their Swin has one window for all stages, which must not be larger than a map; their Swin V2 shrinks it
WINDOW = {SwinConfig: 3, Swinv2Config: 6}
SWIN = [SwinForMaskedImageModeling, SwinForImageClassification, SwinModel]
SWIN_V2 = [Swinv2ForMaskedImageModeling, Swinv2ForImageClassification, Swinv2Model]
BEIT = dict(image_size=SIZE, patch_size=16, hidden_size=16, num_hidden_layers=3, num_attention_heads=4,
            intermediate_size=64, num_labels=5, layer_norm_eps=1e-6)


def build(model_class, **kwargs):
    config_class = model_class.config_class
    if config_class is BeitConfig:
        return randomise(model_class(config_class(**BEIT, **kwargs)))
    return randomise(model_class(config_class(**HIERARCHY, window_size=WINDOW[config_class], **kwargs)))


def our_swin(model, **kwargs):
    if model.config_class is Swinv2Config:
        return swin_v2(model.state_dict(), **kwargs)
    return swin(model.state_dict(), window_size=3, **kwargs)


def saved(model, folder):
    """The names and bits in the file that the model is saved to."""
    model.save_pretrained(folder)
    return load_file(folder / 'model.safetensors')


def reload(model, state_dict, folder):
    """A model of the same class from a file with other weights, and what the file lacks or has too much."""
    save_file(state_dict, folder / 'model.safetensors', metadata={'format': 'pt'})
    again, info = type(model).from_pretrained(folder, output_loading_info=True, dtype=torch.float64)
    return again.eval(), info


def is_as_saved(converted, state):
    """Names and bits of a file; index buffers are in those of releases before 5 only, and always in ours."""
    indices = {key: tensor for key, tensor in converted.items() if key.endswith('.relative_position_index')}
    return same_bits(converted, indices | state) and all(tensor.dtype == torch.int64 for tensor in indices.values())


@pytest.mark.parametrize('model_class', SWIN + SWIN_V2)
def test_swin_features(model_class):
    model = build(model_class)
    inner = getattr(model, model.base_model_prefix, model)
    expected = inner(images()).last_hidden_state.transpose(1, 2).reshape(2, 64, 3, 3)
    assert relative_error(our_swin(model)(images())[-1], expected) < 1e-6


@pytest.mark.parametrize('model_class', SWIN + SWIN_V2)
def test_swin_files_there_and_back(model_class, tmp_path):
    model = build(model_class)
    state = saved(model, tmp_path)
    ours = convert_state_dict(state, to='mmsimmim')
    assert same_bits(ours, convert_state_dict(model.state_dict(), to='mmsimmim')), 'in memory as in files'
    again = convert_state_dict(ours, to='hf')
    assert is_as_saved(again, state)
    loaded, info = reload(model, again, tmp_path)
    assert not info['missing_keys'] and not info['unexpected_keys']
    assert same_bits(loaded.state_dict(), model.state_dict())
    assert relative_error(loaded(images())[0], model(images())[0]) < 1e-6


@pytest.mark.parametrize('model_class', [SwinForMaskedImageModeling, Swinv2ForMaskedImageModeling])
def test_masked_images_are_reconstructed_alike(model_class):
    model = build(model_class)
    mask = (torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(2)) < 0.6).long()
    expected = model(images(), bool_masked_pos=mask.flatten(1).bool()).reconstruction
    whole = convert_state_dict(model.state_dict(), to='mmsimmim')
    latent = our_swin(model)(images(), mask)[-1]
    decoded = torch.nn.functional.conv2d(latent, whole['neck.decoder.0.weight'], whole['neck.decoder.0.bias'])
    assert relative_error(torch.nn.functional.pixel_shuffle(decoded, 32), expected) < 1e-6


def test_swin_backbone(tmp_path):
    model = build(SwinBackbone, out_features=['stage1', 'stage2', 'stage3', 'stage4'])
    state = saved(model, tmp_path)
    ours = convert_state_dict(state, to='mmsimmim')
    # as in detectors, every map is padded and shifted
    encoder = our_swin(model, img_size=None, out_indices=(0, 1, 2, 3))
    for map, expected in zip(encoder(images()), model(images()).feature_maps):
        assert relative_error(map, expected) < 1e-6
    again = convert_state_dict(ours, to='hf')
    unused = {'swin.layernorm.weight', 'swin.layernorm.bias'}
    assert is_as_saved(again, {key: tensor for key, tensor in state.items() if key not in unused})


def test_swin_v2_backbone(tmp_path):
    model = build(Swinv2Backbone)
    state = saved(model, tmp_path)
    assert same_bits(convert_state_dict(convert_state_dict(state, to='mmsimmim'), to='hf'), state)
    assert recognise(state).encoder == 'swin_v2'


def test_beit_averages_patches_with_a_table_per_block():
    model = build(BeitForImageClassification, use_relative_position_bias=True)
    ours = vit(model.state_dict(), use_rel_pos_bias=True, use_shared_rel_pos_bias=False, final_norm=False,
               out_type='avg_featmap')
    assert relative_error(ours(images())[-1], model.beit(images()).pooler_output) < 1e-6


def test_beit_with_absolute_positions_and_a_shared_table():
    model = build(BeitModel, use_shared_relative_position_bias=True, use_absolute_position_embeddings=True,
                  use_mean_pooling=False)
    ours = vit(model.state_dict(), use_abs_pos_emb=True, out_type='raw')
    assert relative_error(ours(images())[-1], model(images()).last_hidden_state) < 1e-6


@pytest.mark.parametrize('model_class, kwargs', [
    (BeitForImageClassification, dict(use_relative_position_bias=True)),
    (BeitModel, dict(use_shared_relative_position_bias=True, use_mask_token=True, use_mean_pooling=False)),
    (BeitModel, dict(use_relative_position_bias=True, use_absolute_position_embeddings=True))])
def test_beit_files_there_and_back(model_class, kwargs, tmp_path):
    model = build(model_class, **kwargs)
    state = saved(model, tmp_path)
    ours = convert_state_dict(state, to='mmsimmim')
    assert same_bits(ours, convert_state_dict(model.state_dict(), to='mmsimmim')), 'in memory as in files'
    again = convert_state_dict(ours, to='hf')
    assert same_bits(again, state)
    loaded, info = reload(model, again, tmp_path)
    assert not info['missing_keys'] and not info['unexpected_keys']
    assert same_bits(loaded.state_dict(), model.state_dict())


def test_beit_pre_training_without_its_head():
    model = build(BeitForMaskedImageModeling, use_shared_relative_position_bias=True, use_mask_token=True)
    state = model.state_dict()
    contents = recognise(state)
    assert contents.other_parts == ('lm_head', ) and contents.mask_token and contents.shared_table
    assert 'backbone.ln1.weight' in convert_state_dict(state, to='mmsimmim')


def test_what_they_say_they_are():
    contents = recognise(build(SwinForImageClassification).state_dict())
    assert contents.family == 'hf' and contents.num_classes == 5 and contents.windows == (3, 3, 3, 3)
    assert contents.num_heads == (1, 2, 2, 4) and contents.resolution is None


def test_query_key_and_value_go_together():
    state = build(SwinModel).state_dict()
    names = [name for name in state if '1.blocks.0.attention' in name]
    key_bias, = (name for name in names if name.endswith(('.k_proj.bias', '.key.bias')))
    del state[key_bias]
    with pytest.raises(ValueError, match=r'1\.blocks\.0.*\.q\w+\.bias, .*\.v\w+\.bias cannot.*query, key and value'):
        convert_state_dict(state, to='mmsimmim')
