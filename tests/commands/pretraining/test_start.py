"""What is told of the checkpoint that a run begins with, and what of it is kept."""

import pytest
import torch
from mmengine.registry import init_default_scope

from mmsimmim.architectures import SWIN
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.commands.config.loading import read_config
from mmsimmim.commands.pretraining import settle
from mmsimmim.commands.pretraining.prepare import prepare
from mmsimmim.commands.pretraining.start import read_start
from mmsimmim.commands.pretraining.trying.trial import TrialFailed
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from mmsimmim.registry import MODELS

OWN = dict(embed_dims=24, depths=[1, 1, 2], num_heads=[1, 2, 4])
ENCODERS = {
    'swin-atto': lambda: SwinTransformer('atto', img_size=192, window_size=6),
    'swinv2-atto': lambda: SwinTransformerV2('atto', img_size=192, window_size=12),
    'vit-tiny': lambda: VisionTransformer('deit-tiny', img_size=224, use_abs_pos_emb=False, final_norm=True,
                                          use_shared_rel_pos_bias=True, layer_scale_init_value=0.1),
    'swin of its own size': lambda: SwinTransformer(OWN, img_size=64, window_size=4, out_indices=(2, )),
}


def save(name, path, to, outputs=None):
    """A file of an encoder, and what should come out of it."""
    torch.manual_seed(0)
    encoder = ENCODERS[name]()
    if outputs:
        encoder.add_mask_token()
    weights = {f'backbone.{key}': torch.randn_like(value) for key, value in encoder.state_dict().items()}
    if outputs:
        weights['neck.decoder.0.weight'] = torch.randn(*outputs, 1, 1)
        weights['neck.decoder.0.bias'] = torch.randn(outputs[0])
    torch.save(convert_state_dict(weights, to=to), path)
    return weights


@pytest.fixture(autouse=True)
def no_trial(monkeypatch):
    def fail(*args):
        raise TrialFailed('Not tried.')

    monkeypatch.setattr(settle, 'try_config', fail)


def begin(images, tmp_path, **others):
    config = prepare(tmp_path / 'run', dict(data=images, start_from=tmp_path / 'start.pth', epochs=1, **others))
    cfg = read_config(str(config))
    init_default_scope(cfg.default_scope)
    return config.read_text(), cfg


@pytest.mark.parametrize('name, to', [
    ('swin-atto', 'timm'), ('swin-atto', 'hf'), ('swin-atto', 'mmdet'), ('swinv2-atto', 'official'),
    ('vit-tiny', 'official'), ('swin of its own size', 'backbone')])
def test_the_encoder_is_told_and_kept(images, tmp_path, name, to):
    weights = save(name, tmp_path / 'start.pth', to)
    text, cfg = begin(images, tmp_path)
    assert f'# Encoder: {name}, ' in text
    assert 'Kept: encoder. Begun anew: decoder, mask token, optimizer' in text
    model = MODELS.build(cfg.model)
    model.init_weights()
    found = {f'backbone.{key}': value for key, value in model.backbone.state_dict().items()}
    same = [key for key in weights if key in found and found[key].shape == weights[key].shape]
    assert len(same) > 0.8 * len(weights)
    for key in same:
        assert torch.equal(found[key], weights[key]), key
    if name.endswith('own size'):
        assert dict(cfg.model.backbone.arch) == OWN and cfg.model.neck.encoder_stride == 16


def test_a_decoder_is_kept_if_it_fits(images, tmp_path):
    channels = 8 * SWIN['atto']['embed_dims']
    save('swin-atto', tmp_path / 'start.pth', 'official', (3 * 32**2, channels))
    assert read_start(tmp_path / 'start.pth').is_whole
    text, cfg = begin(images, tmp_path)
    assert 'Kept: encoder, mask token, decoder. Begun anew: optimizer' in text
    assert cfg.load_from == str(tmp_path / 'start.pth')


def test_of_other_channels_the_mask_token_alone_is_kept(images, tmp_path):
    weights = save('swin-atto', tmp_path / 'start.pth', 'mmsimmim', (4 * 32**2, 8 * SWIN['atto']['embed_dims']))
    text, cfg = begin(images, tmp_path)
    assert 'Kept: encoder, mask token. Begun anew: decoder, optimizer' in text
    model = MODELS.build(cfg.model)
    model.init_weights()
    assert torch.equal(model.backbone.mask_token, weights['backbone.mask_token'])


def test_resized_windows_are_told_and_weights_that_are_left_out(images, tmp_path):
    save('swin-atto', tmp_path / 'start.pth', 'timm')
    text, _ = begin(images, tmp_path, settings=dict(window_size=4))
    assert 'Position biases of windows of 6 are resized to 4.' in text
    save('swin-atto', tmp_path / 'start.pth', 'official', (3 * 32**2, 8 * SWIN['atto']['embed_dims']))
    (tmp_path / 'other').mkdir()
    (tmp_path / 'start.pth').rename(tmp_path / 'other' / 'start.pth')
    text, _ = begin(images, tmp_path / 'other', settings=dict(load_from=None))
    assert 'leaves its weights out' in text
