"""SimMIM equals the official implementation, number by number."""

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmsimmim.datasets import MaskedBatch
from mmsimmim.registry import MODELS
from tests.golden import assert_official_gradients, load, relative_error, simmim_swin, simmim_swinv2
from tests.recomputing import WITH_CP


@pytest.mark.parametrize('with_cp', WITH_CP)
@pytest.mark.parametrize('simmim', [simmim_swin, simmim_swinv2])
def test_swin_equals_official(simmim, with_cp):
    model, golden = simmim(with_cp=with_cp)
    images, mask = golden['input'], golden['mask']

    assert relative_error(model.backbone(images, mask)[-1], golden['latent']) < 1e-6
    assert relative_error(model.reconstruct(images, mask), golden['reconstruction']) < 1e-6
    loss = model.masked_loss(images, mask)
    assert relative_error(loss, golden['loss']) < 1e-6

    loss.backward()
    assert_official_gradients(model, golden)


def test_normalised_target_equals_official():
    expected = load('simmim_swinv2_norm_target.npz')
    model, golden = simmim_swinv2(target=dict(type='mmsimmim.NormalizedPixelTarget', window_size=47))
    loss = model.masked_loss(golden['input'], golden['mask'])
    assert relative_error(loss, expected['loss']) < 1e-6
    loss.backward()
    assert relative_error(model.backbone.mask_token.grad, expected['grad/encoder.mask_token']) < 1e-6
    assert relative_error(model.neck.decoder[0].weight.grad, expected['grad/decoder.0.weight']) < 1e-6


TINY = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])


def build(in_channels=3, drop_path_rate=0., backbone='SwinTransformer', **kwargs):
    return MODELS.build(
        dict(
            type='mmsimmim.SimMIM',
            backbone=dict(type=f'mmsimmim.{backbone}', arch=TINY, img_size=64, window_size=4,
                          in_channels=in_channels, drop_path_rate=drop_path_rate),
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=64, encoder_stride=32),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=4,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1')),
            data_preprocessor=dict(type='mmengine.BaseDataPreprocessor'),
            **kwargs))


def random_batch(images=2, channels=3, seed=0):
    """Images (B, C, 64, 64), masks (B, 16, 16) in squares of 8 x 8 tokens, one sample each."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(images, channels, 64, 64, generator=generator)
    cells = torch.stack([torch.randperm(4, generator=generator).reshape(2, 2) < 3 for _ in range(images)])
    mask = cells.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.uint8)
    return inputs, mask, [BaseDataElement(mask=one) for one in mask]


def test_same_keys_and_same_loss_as_mmpretrain(tmp_path):
    import mmpretrain.models
    from mmengine.runner.checkpoint import load_checkpoint
    torch.manual_seed(0)
    theirs = mmpretrain.models.SimMIM(
        backbone=dict(type='SimMIMSwinTransformer', arch=TINY, img_size=96, drop_path_rate=0.,
                      stage_cfgs=[dict(block_cfgs=dict(window_size=window)) for window in (6, 6, 6, 3)]),
        neck=dict(type='SimMIMLinearDecoder', in_channels=64, encoder_stride=32),
        head=dict(type='SimMIMHead', patch_size=4,
                  loss=dict(type='PixelReconstructionLoss', criterion='L1', channel=3)))
    theirs.init_weights()
    torch.nn.init.normal_(theirs.backbone.mask_token)
    ours = build()
    ours.backbone = MODELS.build(dict(type='mmsimmim.SwinTransformer', arch=TINY, img_size=96, window_size=6,
                                      drop_path_rate=0.))
    ours.backbone.add_mask_token()
    indices = {key for key in theirs.state_dict() if key.endswith('relative_position_index')}
    assert set(ours.state_dict()) == set(theirs.state_dict()) - indices

    file = str(tmp_path / 'mmpretrain.pth')
    torch.save(dict(state_dict=theirs.state_dict(), meta={}), file)
    load_checkpoint(ours, file, strict=True)
    inputs = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    mask = (torch.rand(2, 3, 3) < 0.6).repeat_interleave(8, 1).repeat_interleave(8, 2)
    mask[:, 0, 0] = True
    samples = [BaseDataElement(mask=one.long()) for one in mask]
    loss, expected = (model.double().loss(inputs, samples)['loss'] for model in (ours, theirs))
    # theirs leaves out the 1e-5 that the official code adds to the number of masked pixels
    assert relative_error(loss, expected) < 1e-6


def test_target_generator_and_modes():
    class Halved(torch.nn.Module):
        def forward(self, images):
            return images / 2

    model = build()
    inputs, mask, samples = random_batch()
    whole = model.loss(inputs, samples)['loss']
    model.target_generator = Halved()
    expected = model.head.loss(model.reconstruct(inputs, mask), inputs / 2, mask)
    assert torch.equal(model(inputs, samples, mode='loss')['loss'], expected) and expected != whole
    for features, again in zip(model(inputs), model.backbone(inputs)):
        assert torch.equal(features, again)
    with pytest.raises(ValueError, match='mode'):
        model(inputs, samples, mode='train')
    with pytest.raises(ValueError, match='SimMIMMaskGenerator'):
        model.loss(inputs, [BaseDataElement()])


def test_masks_may_come_as_one():
    model = build()
    inputs, mask, samples = random_batch()
    batch = MaskedBatch(mask=mask, metainfo=dict(img_path=['a'] * len(mask)))
    assert torch.equal(model.loss(inputs, batch)['loss'], model.loss(inputs, samples)['loss'])
    for one, other in zip(model.predict(inputs, batch), model.predict(inputs, samples), strict=True):
        assert torch.equal(one.reconstruction, other.reconstruction) and torch.equal(one.mask, other.mask)
        assert torch.equal(one.reconstruction_loss, other.reconstruction_loss)
    with pytest.raises(ValueError, match='collate_masked'):
        model.loss(inputs, MaskedBatch())


def test_predict_gives_images_and_their_losses():
    model = build()
    inputs, mask, samples = random_batch()
    predicted = model(inputs, samples, mode='predict')
    with torch.no_grad():
        reconstruction = model.reconstruct(inputs, mask)
    for i, sample in enumerate(predicted):
        assert torch.equal(sample.reconstruction, reconstruction[i])
    # equally many masked pixels per image, so the mean of the images is the loss of the batch
    losses = torch.stack([sample.reconstruction_loss for sample in predicted])
    torch.testing.assert_close(losses.mean(), model.loss(inputs, samples)['loss'])

    pasted = model.predict(inputs, samples, paste_visible=True)[0].reconstruction
    pixels = mask[0].repeat_interleave(4, 0).repeat_interleave(4, 1).bool()
    assert torch.equal(pasted[:, ~pixels], inputs[0][:, ~pixels])
    assert torch.equal(pasted[:, pixels], reconstruction[0][:, pixels])


def test_predictions_of_the_normalised_target_come_back_in_colours():
    model = build(target_generator=dict(type='mmsimmim.NormalizedPixelTarget', window_size=9))
    inputs, mask, samples = random_batch()
    losses = torch.stack([sample.reconstruction_loss for sample in model.predict(inputs, samples)])
    torch.testing.assert_close(losses.mean(), model.masked_loss(inputs, mask))  # the loss stays that of training

    model.reconstruct = lambda images, mask: model.target(images) + 0.5
    for paste_visible in (False, True):
        one = model.predict(inputs, samples, paste_visible=paste_visible)[0]
        torch.testing.assert_close(one.reconstruction_loss.item(), 0.5, rtol=1e-4, atol=0)
        off = (one.reconstruction - inputs[0]).abs()
        pixels = mask[0].repeat_interleave(4, 0).repeat_interleave(4, 1).bool()
        assert off[:, pixels].min() > 0.1 and off.max() < 1
        assert (off[:, ~pixels] == 0).all() == paste_visible

    model.reconstruct = lambda images, mask: model.target(images)
    torch.testing.assert_close(model.predict(inputs, samples)[1].reconstruction, inputs[1])


@pytest.mark.parametrize('channels', [1, 4])
def test_any_number_of_channels_reaches_decoder_and_loss(channels):
    model = build(in_channels=channels)
    inputs, mask, samples = random_batch(channels=channels)
    loss = model.loss(inputs, samples)['loss']
    pixels = mask.repeat_interleave(4, 1).repeat_interleave(4, 2).unsqueeze(1).bool().expand_as(inputs)
    expected = (model.reconstruct(inputs, mask) - inputs).abs()[pixels].mean()
    torch.testing.assert_close(loss, expected)


def test_divisor_of_the_loss_is_the_official_one():
    """One masked pixel, where the 1e-5 beside it can be seen."""
    loss = MODELS.build(dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'))
    target = torch.zeros(1, 2, 1, 2, dtype=torch.float64)
    mask = torch.tensor([[[[1., 0.]]]], dtype=torch.float64)
    torch.testing.assert_close(loss(target + 3, target, mask).item(), 6 / (1 + 1e-5) / 2, rtol=1e-12, atol=0)


def test_nothing_masked_gives_zero_not_nan():
    model = build()
    inputs, mask, _ = random_batch()
    assert model.masked_loss(inputs, torch.zeros_like(mask)) == 0


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_large_inputs_give_a_finite_loss_in_half_precision(dtype):
    """The sum over a batch of such differences is far beyond float16, so it must not be taken there."""
    model = build()
    inputs, mask, _ = random_batch(images=8)
    inputs = inputs * 1e4
    with torch.autocast('cpu', dtype=dtype):
        loss = model.masked_loss(inputs, mask)
    assert loss.dtype == torch.float32 and loss.isfinite()
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert relative_error(loss, model.masked_loss(inputs, mask)) < 0.02


@pytest.mark.parametrize('drop_path_rate, target', [
    (0.2, None), (0., dict(type='mmsimmim.NormalizedPixelTarget', window_size=9))])
def test_compiles_as_one_graph(drop_path_rate, target):
    """What the golden vectors, compiled in test_golden_compiled.py, leave out: a target, and branches that drop."""
    model = build(drop_path_rate=drop_path_rate, target_generator=target)
    inputs, mask, _ = random_batch()
    torch.compiler.reset()
    losses = []
    for loss_function in (model.masked_loss, torch.compile(model.masked_loss, fullgraph=True, backend='eager')):
        torch.manual_seed(0)
        losses.append(loss_function(inputs, mask).detach())
    torch.testing.assert_close(*losses)


def test_parts_that_do_not_fit_say_what_to_change():
    inputs, mask, _ = random_batch()
    model = build()
    model.head.patch_size = 8
    with pytest.raises(ValueError, match='patch_size of the head'):
        model.masked_loss(inputs, mask)
    model = build(target_generator=None)
    model.neck = MODELS.build(dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=64, encoder_stride=16))
    with pytest.raises(ValueError, match='encoder_stride'):
        model.masked_loss(inputs, mask)
    with pytest.raises(ValueError, match='criterion'):
        MODELS.build(dict(type='mmsimmim.PixelReconstructionLoss', criterion='L3'))


def test_layer_depth_reaches_the_backbone():
    model = build()
    assert model.get_layer_depth('backbone.stages.0.blocks.1.norm1.weight') == (2, 10)
    assert model.get_layer_depth('neck.decoder.0.bias') == (9, 10)
