"""Files of DeepSpeed: found, read, loaded into a model of 14 bands; refused if they hold a share of the weights."""

import collections
import sys
import types

import pytest
import torch
from mmengine.runner import load_checkpoint

from mmsimmim.checkpoints import convert_state_dict, read_checkpoint, state_dict_of
from mmsimmim.datasets.transforms import SimMIMMaskGenerator
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.checkpoints.official_files import SHRUNK, as_deepspeed_saves, learned, sat_vision
from tests.checkpoints.random_weights import same_bits

BACKBONE = dict(type='mmsimmim.SwinTransformerV2', arch=dict(SHRUNK, extra_norm_every_n_blocks=6), img_size=128,
                in_channels=14, window_size=8, drop_path_rate=0.1)


def simmim():
    return MODELS.build(dict(
        type='mmsimmim.SimMIM', backbone=BACKBONE,
        neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=64, encoder_stride=32),
        head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                  loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')),
        data_preprocessor=dict(type='mmengine.BaseDataPreprocessor')))


@pytest.mark.parametrize('prefix', ['', 'model.', '_forward_module._original_module.model.'])
def test_a_whole_model_of_14_bands(tmp_path, prefix):
    state, path = sat_vision(), str(tmp_path / 'mp_rank_00_model_states.pt')
    torch.save(as_deepspeed_saves(state, prefix), path)
    assert same_bits(state_dict_of(read_checkpoint(path)), state)
    model = simmim()
    load_checkpoint(model, path)
    expected = convert_state_dict(learned(state), to='mmsimmim')
    assert same_bits(dict(model.named_parameters()), {name: value.float() for name, value in expected.items()})


def test_its_loss_and_reconstruction(tmp_path):
    torch.save(as_deepspeed_saves(sat_vision()), tmp_path / 'x.pt')
    model = simmim()
    load_checkpoint(model, str(tmp_path / 'x.pt'))
    model.double().eval()
    images = torch.randn(1, 14, 128, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.as_tensor(SimMIMMaskGenerator(128, mask_patch_size=8, model_patch_size=4, seed=0)(
        dict(sample_idx=0))['mask'])[None]
    assert mask.shape == (1, 32, 32) and mask.sum() == 616  # 154 of 256 patches of 8 px
    reconstruction = model.reconstruct(images, mask)
    pixels = mask.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    expected = ((images - reconstruction).abs() * pixels).sum() / (pixels.sum() + 1e-5) / 14
    assert reconstruction.shape == images.shape
    assert torch.isclose(model.masked_loss(images, mask), expected, rtol=1e-9)


def test_a_backbone_by_its_init_cfg(tmp_path):
    torch.save(as_deepspeed_saves(sat_vision()), tmp_path / 'x.pt')
    backbone = MODELS.build(dict(BACKBONE, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pt'))))
    backbone.init_weights()
    assert torch.equal(backbone.stages[2].blocks[5].norm3.weight,
                       sat_vision()['encoder.layers.2.blocks.5.norm3.weight'].float())


def test_what_zero_to_fp32_writes_is_a_plain_state_dict(tmp_path):
    torch.save(collections.OrderedDict(sat_vision()), tmp_path / 'pytorch_model.bin')
    assert same_bits(state_dict_of(read_checkpoint(str(tmp_path / 'pytorch_model.bin'))), sat_vision())


def spread():
    """As ZeRO 3 leaves them: all parameters empty but the smallest."""
    content = as_deepspeed_saves(sat_vision())
    module = {name: value if value.numel() < 10 else torch.empty(0) for name, value in content['module'].items()}
    return content | dict(module=module)


class LossScaler:
    """Stands for a class of DeepSpeed that its optimizer's files hold."""


LossScaler.__module__, LossScaler.__qualname__ = 'deepspeed.runtime.fp16.loss_scaler', 'LossScaler'


@pytest.mark.parametrize('content, message', [
    (spread(), r'x.pt has no values for \d+ of \d+ parameters .*ZeRO 3 .*Run python zero_to_fp32.py FOLDER OUT'),
    (as_deepspeed_saves({'a': torch.ones(2)}, param_shapes=[{'a': torch.Size([4])}]), 'no values for 1 of 1 .*ZeRO 3'),
    (as_deepspeed_saves(sat_vision(), mp_world_size=4), r'x.pt is one of 4 slices of a model \(mp_world_size\)'),
    (dict(optimizer_state_dict=dict(zero_stage=2), ds_version='0.14.0'), 'state of an optimizer')])
def test_a_share_of_the_weights_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / 'x.pt')
    with pytest.raises(UserError, match=message):
        state_dict_of(read_checkpoint(str(tmp_path / 'x.pt')))


def test_the_optimizers_file_is_named(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        for name in ('deepspeed', 'deepspeed.runtime', 'deepspeed.runtime.fp16', 'deepspeed.runtime.fp16.loss_scaler'):
            patch.setitem(sys.modules, name, types.SimpleNamespace(LossScaler=LossScaler))
        torch.save(dict(optimizer_state_dict=dict(loss_scaler=LossScaler())), tmp_path / 'x.pt')
    with pytest.raises(UserError, match='only with deepspeed.runtime.fp16.loss_scaler.LossScaler, which may run code; '
                       'it was not run. It is what DeepSpeed saves of its optimizer. Give .* mp_rank_00_model_states'):
        read_checkpoint(str(tmp_path / 'x.pt'))


@pytest.mark.parametrize('files, message', [
    ({'latest': 'global_step9', 'global_step9/mp_rank_00_model_states.pt': ''},
     'is a checkpoint of DeepSpeed. Give the file of the model in it, .*/global_step9/mp_rank_00_model_states.pt'),
    ({'mp_rank_00_model_states.pt': '', 'card.yaml': ''}, 'Give the file of the model in it, .*states.pt'),
    ({'latest': 'a\n', 'a/zero_pp_rank_0_mp_rank_00_model_states.pt': '', 'zero_to_fp32.py': ''},
     r'spread over the files in it \(ZeRO 3\). Run python zero_to_fp32.py FOLDER OUT'),
    ({'latest': 'gone', 'epoch_1.pth': ''}, 'is a folder. Give one of those in it: epoch_1.pth')])
def test_a_folder_is_answered_with_the_file_to_give(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / 'run' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'run' / name).write_text(text)
    with pytest.raises(UserError, match=f'run .*{message}'):
        read_checkpoint(str(tmp_path / 'run'))
