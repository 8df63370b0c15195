"""The inverse Swin against mmpretrain's blocks with the same weights, and splitting in loops."""

import pytest
import torch
from mmengine.structures import BaseDataElement
from torch import nn

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.models.backbones.swin import SwinBlock
from mmsimmim.registry import MODELS
from tests.golden import relative_error
from tests.models.backbones.witness import randomised
from tests.models.necks.plain import count_parameters, place_positions

SMALL = dict(embed_dims=4, depths=[2, 1, 3], num_heads=[1, 2, 4])


def build(arch=SMALL, encoder_stride=16, **kwargs):
    torch.manual_seed(0)
    return MODELS.build(dict(
        type='mmsimmim.SimMIMInverseSwinDecoder', in_channels=10, encoder_stride=encoder_stride, arch=arch, **kwargs))


@pytest.mark.parametrize('arch, expected, of_paper', [('tiny', 115020962, 115.2e6), ('base', 174494368, 174.8e6)])
def test_parameters_of_swin_base(arch, expected, of_paper):
    number = count_parameters(dict(
        type='mmsimmim.SimMIMInverseSwinDecoder', in_channels=1024, encoder_stride=32, arch=arch, img_size=192))
    assert number == expected
    assert abs(number / of_paper - 1) < 0.01


def reference(neck, x, windows, pad_small_map):
    """What it predicts, with mmpretrain's blocks; ``windows`` from the coarsest map to the finest."""
    from mmpretrain.models.backbones.swin_transformer import SwinBlockSequence
    state, depths, heads = neck.state_dict(), SMALL['depths'][::-1], SMALL['num_heads'][::-1]
    x = torch.einsum('bchw,oc->bhwo', x, state['entry.weight']) + state['entry.bias']
    for i, window in enumerate(windows):
        (batch, height, width, channels), prefix = x.shape, f'stages.{i}.'
        blocks = SwinBlockSequence(channels, depths[i], heads[i], window, pad_small_map=pad_small_map).double()
        own = {key[len(prefix):]: value for key, value in state.items() if key.startswith(prefix)}
        assert not blocks.load_state_dict(own, strict=False).unexpected_keys
        with torch.no_grad():
            x = blocks(x.flatten(1, 2), (height, width))[0].reshape(batch, height, width, channels)
        if i < 2:
            x = normalise(x, state[f'splittings.{i}.norm.weight'], state[f'splittings.{i}.norm.bias'])
            x = place_positions(x @ state[f'splittings.{i}.expansion.weight'].T, 2).permute(0, 2, 3, 1)
    x = normalise(x, state['norm.weight'], state['norm.bias'])
    return x @ state['prediction.weight'].T + state['prediction.bias']


def normalise(x, weight, bias):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


@pytest.mark.parametrize('out_channels, target_stride', [(3, 1), (4, 2), (3, 4)])
@pytest.mark.parametrize('img_size, window_size, windows', [
    (None, 4, (4, 4, 4)),  # maps of 3 x 5 tokens and up: padded, and shifted all the same
    ((48, 80), 6, (3, 6, 6)),  # the first map is one window high: no shift, as in the encoder
    (48, [6, 4, 2], (2, 4, 6)),  # from the finest map to the coarsest, like depths and heads of arch
])
def test_equals_its_definition(out_channels, target_stride, img_size, window_size, windows):
    neck = randomised(build(out_channels=out_channels, target_stride=target_stride, img_size=img_size,
                            window_size=window_size))
    x = torch.randn(2, 10, 3, 5, dtype=torch.float64)
    expected = place_positions(reference(neck, x, windows, pad_small_map=img_size is None), 4 // target_stride)
    with torch.no_grad():
        out = neck(x)
    assert out.shape == (2, out_channels, 48 // target_stride, 80 // target_stride)
    assert relative_error(out, expected) < 1e-6


@pytest.mark.parametrize('size', [(1, 1), (2, 7), (5, 3)])
def test_maps_of_any_size(size):
    for img_size in (None, 48):
        out = build(img_size=img_size)(torch.randn(1, 10, *size))
        assert out.shape == (1, 3, 16 * size[0], 16 * size[1]) and out.isfinite().all()


def test_every_parameter_learns():
    """The same with recomputed blocks as without."""
    x, gradients = torch.randn(2, 10, 3, 4, dtype=torch.float64), []
    for with_cp in (False, True):
        neck = randomised(build(window_size=2, target_stride=2, with_cp=with_cp)).train()
        neck(x).square().mean().backward()
        gradients.append([parameter.grad for parameter in neck.parameters()])
    torch.testing.assert_close(*gradients)
    for (name, _), gradient in zip(neck.named_parameters(), gradients[0]):
        assert gradient is not None and (gradient != 0).any(), name


def test_initialised_as_the_encoder():
    neck = build(arch='tiny', encoder_stride=32)
    for name, module in neck.named_modules():
        if isinstance(module, nn.Linear):
            assert abs(module.weight.std().item() / 0.02 - 1) < 0.05, name
            assert module.bias is None or (module.bias == 0).all(), name
        elif isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all() and (module.bias == 0).all(), name
        elif isinstance(module, SwinBlock):
            table = module.attn.w_msa.relative_position_bias_table
            assert abs(table.std().item() / 0.02 - 1) < 0.2, name


def test_stochastic_depth_grows_towards_the_pixels():
    neck = build(drop_path_rate=0.5)
    rates = [getattr(block.drop_path, 'p', 0) for stage in neck.stages for block in stage.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [len(stage.blocks) for stage in neck.stages] == [3, 1, 2]
    x = torch.randn(1, 10, 2, 2)
    assert not torch.equal(neck(x), neck(x)) and torch.equal(neck.eval()(x), neck(x))


@pytest.mark.parametrize('img_size, window_size', [(64, 4), (None, 3)])
def test_compiles_as_one_graph(img_size, window_size):
    """Captured only; derivatives and code of the compiler are tested on the golden vectors."""
    arch = dict(embed_dims=8, depths=[2, 2], num_heads=[1, 2])
    model = MODELS.build(dict(
        type='mmsimmim.SimMIM',
        backbone=dict(type='mmsimmim.SwinTransformer', arch=arch, img_size=64, window_size=4, drop_path_rate=0.,
                      out_indices=(1, )),
        neck=dict(type='mmsimmim.SimMIMInverseSwinDecoder', in_channels=16, encoder_stride=8, arch=arch,
                  img_size=img_size, window_size=window_size),
        head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                  loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')),
        data_preprocessor=dict(type='mmengine.BaseDataPreprocessor')))
    inputs, mask = torch.randn(2, 3, 64, 64), (torch.rand(2, 16, 16) < 0.6).to(torch.uint8)
    samples = [BaseDataElement(mask=one) for one in mask]
    torch.compiler.reset()
    compiled = torch.compile(model.masked_loss, fullgraph=True, backend='eager')
    losses, gradients = [], []
    for loss_of in (lambda: model.loss(inputs, samples)['loss'], lambda: compiled(inputs, mask)):
        model.zero_grad()
        loss = loss_of()
        loss.backward()
        losses.append(loss.detach())
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize('arch, encoder_stride, fitting', [
    ('tiny', 16, dict(embed_dims=96, depths=[2, 2, 6], num_heads=[3, 6, 12])),
    ('base', 4, dict(embed_dims=128, depths=[2], num_heads=[4])),
    (SMALL, 64, dict(embed_dims=4, depths=[2, 1, 3, 3, 3], num_heads=[1, 2, 4, 8, 16])),
])
def test_a_stride_of_other_stages_is_refused_with_an_arch_that_fits(arch, encoder_stride, fitting):
    with pytest.raises(ValueError, match=f'encoder_stride {encoder_stride} does not go') as error:
        build(arch, encoder_stride)
    assert str(error.value).endswith(f'arch={fitting}')
    assert build(fitting, encoder_stride)(torch.zeros(1, 10, 1, 1)).shape[2] == encoder_stride


@pytest.mark.parametrize('kwargs, message', [
    (dict(encoder_stride=14), r'encoder_stride 14.*4, 8, 16'),
    (dict(encoder_stride=2), r'encoder_stride 2:.*4, 8, 16'),
    (dict(target_stride=3), 'target_stride 3.*1, 2 or 4'),
    (dict(target_stride=8), 'target_stride 8.*SimMIMLinearDecoder'),
    (dict(target_stride=0), 'target_stride must be at least 1'),
    (dict(window_size=[6, 6]), 'window_size'),
    (dict(arch='huge'), "arch 'huge'")])
def test_impossible_decoders_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
