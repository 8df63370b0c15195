"""Parts of the study put together: what makes sense trains, and the rest is refused with the reason."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import nn

from mmsimmim.datasets import BlockwiseMaskGenerator, SimMIMMaskGenerator, SquareMaskGenerator
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from mmsimmim.visualization.models import build_model
from mmsimmim.visualization.reconstruction import encoder_stride, require_pixel_model
from tests.models.tiny import (
    CROSS_ENTROPY,
    ENCODERS,
    L1,
    VQKD,
    build,
    levels,
    model_config,
    names_classes,
    preprocess,
    random_masks,
    samples_of,
    token_target,
    write_palette,
)

NORMALISED = dict(type='mmpretrain.SelfSupDataPreprocessor', mean=[123.675, 116.28, 103.53],
                  std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
PALETTE = 'palette of the test'  # the fixture has its path
TARGETS = [
    None,
    *(dict(type='mmsimmim.PixelTarget', stride=stride) for stride in (1, 2, 4, 8, 16, 32)),
    dict(type='mmsimmim.NormalizedPixelTarget', window_size=9),
    dict(type='mmsimmim.PatchNormalizedPixelTarget', patch_size=16),
    *(dict(type='mmsimmim.ColourBinTarget', num_bins=bins, stride=stride) for bins, stride in ((8, 1), (256, 8))),
    *(dict(type='mmsimmim.ColourClusterTarget', palette=PALETTE, stride=stride) for stride in (1, 4)),
    *(token_target(stride=stride) for stride in (8, 16, 32)),
    token_target(VQKD, stride=16)]
VALUES = [dict(type='mmsimmim.PixelReconstructionLoss', criterion=criterion) for criterion in ('L1', 'L2', 'SmoothL1')]
CLASSES = [CROSS_ENTROPY, dict(CROSS_ENTROPY, scores_at_a_time=1)]
AREAS = ['masked', 'whole']
MASKS = [SimMIMMaskGenerator, SquareMaskGenerator, BlockwiseMaskGenerator]
INVERSE_SWIN = 'SimMIMInverseSwinDecoder'
NECKS = ['SimMIMLinearDecoder', 'SimMIMMLPDecoder', INVERSE_SWIN]


def fits(target, loss, area, mask, neck, encoder):
    stride = 1 if target is None else target.get('stride', 1)
    return ((loss in CLASSES) == names_classes(target) and stride <= ENCODERS[encoder][2]
            and not (neck == INVERSE_SWIN and stride > 4))


def all_pairs(fits, *choices):
    """Combinations that fit, in which each pair that fits at all meets: the next is that with most new pairs."""
    combinations = [one for one in itertools.product(*(range(len(choice)) for choice in choices))
                    if fits(*(choice[i] for choice, i in zip(choices, one)))]

    def pairs(combination):
        return set(itertools.combinations(enumerate(combination), 2))

    missing = set().union(*map(pairs, combinations))
    while missing:
        best = max(combinations, key=lambda one: len(pairs(one) & missing))
        missing -= pairs(best)
        yield tuple(choice[i] for choice, i in zip(choices, best))


def describe(value):
    if isinstance(value, dict):
        settings = [str(setting) for key, setting in value.items() if key in ('stride', 'criterion', 'num_bins')]
        return '-'.join([value['type'].removeprefix('mmsimmim.'), *settings])
    return value.__name__ if isinstance(value, type) else str(value)


@pytest.fixture(scope='module')
def palette(tmp_path_factory):
    return write_palette(tmp_path_factory.mktemp('palette') / 'palette.npy', 16)


def with_palette(target, palette):
    return dict(target, palette=palette) if target and 'palette' in target else target


def neck_for(name, encoder):
    if name != INVERSE_SWIN:
        return name
    stages = {16: 3, 32: 4}[ENCODERS[encoder][2]]
    arch = dict(embed_dims=8, depths=[1] * stages, num_heads=[1, 1, 2, 2][:stages])
    return dict(type=f'mmsimmim.{name}', arch=arch, window_size=2)


def draw_masks(generator, encoder, images=2):
    """Masks of a mask generator, as they come out of the pipeline."""
    np.random.seed(0)
    transform = generator(64, mask_patch_size=16, model_patch_size=ENCODERS[encoder][3], mask_ratio=0.5)
    return torch.stack([torch.from_numpy(transform({})['mask']) for _ in range(images)])


@pytest.mark.parametrize('target, loss, area, mask, neck, encoder',
                         all_pairs(fits, TARGETS, VALUES + CLASSES, AREAS, MASKS, NECKS, list(ENCODERS)), ids=describe)
def test_trains_a_step(target, loss, area, mask, neck, encoder, palette):
    model = build(with_palette(target, palette), loss, encoder, neck_for(neck, encoder), preprocessor=NORMALISED,
                  area=area)
    model.train()
    for parameter in model.parameters():  # where norms begin with 0 there is no gradient before them
        nn.init.normal_(parameter, std=0.3)
    images = preprocess(model, levels())
    parts = model.loss(images, samples_of(draw_masks(mask, encoder)))
    loss, _ = model.parse_losses(parts)
    assert loss.isfinite() and loss > 0
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith('target_generator.'), name
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


def test_all_pairs_meet():
    """The choice of combinations that the test above runs."""
    choices = [0, 1, 2], [0, 1], [0, 1, 2]
    found = list(all_pairs(lambda a, b, c: (a, b) != (0, 1), *choices))
    for i, j in itertools.combinations(range(3), 2):
        unfit = {(0, 1)} if (i, j) == (0, 1) else set()
        assert {(one[i], one[j]) for one in found} == set(itertools.product(choices[i], choices[j])) - unfit
    assert len(found) < 15 - 3


def test_what_is_refused(palette):
    clusters = dict(type='mmsimmim.ColourClusterTarget', palette=palette)
    bins = dict(type='mmsimmim.ColourBinTarget')
    for target in (None, dict(type='mmsimmim.NormalizedPixelTarget'), dict(type='mmsimmim.PixelTarget', stride=4)):
        with pytest.raises(ValueError, match='compares classes, and the target has values: set head.loss.type='):
            build(target, CROSS_ENTROPY)
    for target in (bins, clusters, token_target()):
        with pytest.raises(ValueError, match='compares values, and the target has classes: set head.loss.type='):
            build(target, L1)
    for target in (clusters, token_target()):
        with pytest.raises(ValueError, match='made for images of three channels, the encoder has 4'):
            build(target, in_channels=4)
    with pytest.raises(ValueError, match='target_stride 32 does not divide encoder_stride 16.*stride of the target g'):
        build(dict(type='mmsimmim.PixelTarget', stride=32), encoder='vit')
    with pytest.raises(ValueError, match='target_stride 64 does not divide encoder_stride 32'):
        build(dict(type='mmsimmim.PixelTarget', stride=64))
    with pytest.raises(ValueError, match='target_stride 8: an inverse Swin predicts from tokens of 4 x 4 pixels'):
        build(dict(type='mmsimmim.PixelTarget', stride=8), neck=neck_for(INVERSE_SWIN, 'swin'))


def test_sizes_that_do_not_tile_are_refused():
    mask = random_masks()
    with pytest.raises(ValueError, match='patch_size 24 of the target must divide the sides of the images, got 64'):
        build(dict(type='mmsimmim.PatchNormalizedPixelTarget', patch_size=24)).masked_loss(levels().float(), mask)
    images, mask = levels(size=(64, 48)).float(), mask[:, :, :12]
    for target in (dict(type='mmsimmim.PixelTarget', stride=32), dict(type='mmsimmim.ColourBinTarget', stride=32),
                   token_target(stride=32)):
        with pytest.raises(ValueError, match='stride 32 of the target must divide the sides of the images, got 64 x 4'):
            build(target).masked_loss(images, mask)


def test_the_default_has_no_parameters_beside_encoder_and_neck():
    model = build()
    neck = {'neck.decoder.0.weight', 'neck.decoder.0.bias'}
    assert set(model.state_dict()) == neck | {f'backbone.{name}' for name in model.backbone.state_dict()}
    stated = build(dict(type='mmsimmim.PixelTarget'))
    stated.load_state_dict(model.state_dict())
    images, mask = levels().float(), random_masks()
    assert torch.equal(model.masked_loss(images, mask), stated.masked_loss(images, mask))
    assert torch.equal(model.target(images), images)


# Parts from elsewhere.

@MODELS.register_module()
class Edges(nn.Module):
    """Values in the shape of the image, and nothing that tells of them."""

    def forward(self, images):
        return images - images.roll(1, 3)


@MODELS.register_module()
class Gradients(nn.Module):
    """Two values for each square of 8 pixels, which it says, and no way back."""

    stride = 8
    out_channels = 2

    def forward(self, images):
        grey = F.avg_pool2d(images.mean(1, keepdim=True), 8)
        return torch.cat([grey - grey.roll(1, 2), grey - grey.roll(1, 3)], 1)


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_a_plain_module_as_target(channels):
    model = build(dict(type='mmsimmim.Edges'), in_channels=channels)
    images, mask = levels(channels=channels).float(), random_masks()
    prediction = model.reconstruct(images, mask)
    pixels = mask.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].expand_as(images).bool()
    expected = (prediction - images + images.roll(1, 3)).abs()[pixels].mean()
    torch.testing.assert_close(model.masked_loss(images, mask), expected)
    for i, sample in enumerate(model.predict(images, samples_of(mask))):
        torch.testing.assert_close(sample.reconstruction, prediction[i])


def test_a_plain_module_that_says_its_stride_and_channels():
    model = build(dict(type='mmsimmim.Gradients'))
    images, mask = levels().float(), random_masks()
    assert model.reconstruct(images, mask).shape == model.target(images).shape == (2, 2, 8, 8)
    model.masked_loss(images, mask).backward()
    for sample in model.predict(images, samples_of(mask), paste_visible=True):
        assert sample.reconstruction_loss.isfinite() and 'reconstruction' not in sample
    with pytest.raises(UserError, match='predicts Gradients, not the colours of the image'):
        require_pixel_model(model)


def test_a_stride_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r'stride of the target_generator must be an integer.* got \(1, 1\)'):
        build(dict(type='torch.nn.Conv2d', in_channels=3, out_channels=3, kernel_size=1))


THEIRS = dict(type='mmpretrain.SimMIMHead',
              loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L1', channel=3))


def test_neck_and_head_of_mmpretrain_serve_pixels_of_rgb():
    ours, theirs = build(), build(neck=dict(type='mmpretrain.SimMIMLinearDecoder'), **THEIRS)
    theirs.load_state_dict(ours.state_dict())
    images, mask = levels().float(), random_masks()
    torch.testing.assert_close(theirs.masked_loss(images, mask), ours.masked_loss(images, mask))
    for target in (dict(type='mmsimmim.NormalizedPixelTarget'), dict(type='mmsimmim.Edges')):
        build(target, neck=dict(type='mmpretrain.SimMIMLinearDecoder'), **THEIRS).masked_loss(images, mask).backward()
    assert encoder_stride(theirs) == 32


def test_neck_and_head_of_mmpretrain_are_refused_where_they_would_have_to_know_more():
    neck = dict(type='mmpretrain.SimMIMLinearDecoder')
    coarse, bins = dict(type='mmsimmim.PixelTarget', stride=4), dict(type='mmsimmim.ColourBinTarget')
    for target, channels, message in ((coarse, 3, 'target_stride=4'), (bins, 3, 'out_channels=24'),
                                      (None, 4, 'out_channels=4')):
        with pytest.raises(ValueError, match=f"the neck 'mmpretrain.SimMIMLinearDecoder' has no .* needs {message}"):
            build(target, neck=neck, in_channels=channels)
    for target, message in ((coarse, 'target_stride=4'), (bins, 'num_classes=8')):
        with pytest.raises(ValueError, match=f"the head 'mmpretrain.SimMIMHead' has no .* the target needs {message}"):
            build(target, **THEIRS)


@MODELS.register_module()
class OwnHead(nn.Module):
    """Compares classes, and knows nothing of parts."""

    def __init__(self, patch_size, loss, **kwargs):
        super().__init__()
        self.kwargs = kwargs

    def loss(self, pred, target, mask):
        return F.cross_entropy(pred, target[:, 0])


def test_a_head_of_ones_own_for_classes(palette):
    target = dict(type='mmsimmim.ColourClusterTarget', palette=palette)
    model = build(target, type='mmsimmim.OwnHead')
    assert model.head.kwargs == dict(num_classes=16)  # nothing that is as ever
    images, mask = levels().float(), random_masks()
    expected = F.cross_entropy(model.reconstruct(images, mask), model.target(images)[:, 0])
    torch.testing.assert_close(model.masked_loss(images, mask), expected)


def test_a_part_that_does_not_exist_is_reported_by_mmengine():
    with pytest.raises(KeyError, match='SimMIMLinaerDecoder'):
        build(neck='SimMIMLinaerDecoder')


# Prediction.

CLASS_TARGETS = [dict(type='mmsimmim.ColourBinTarget'), dict(type='mmsimmim.ColourBinTarget', num_bins=256, stride=4),
                 dict(type='mmsimmim.ColourClusterTarget', palette=PALETTE),
                 dict(type='mmsimmim.ColourClusterTarget', palette=PALETTE, stride=2), token_target(),
                 token_target(VQKD)]


@pytest.mark.parametrize('target', [dict(type='mmsimmim.PixelTarget', stride=8), *CLASS_TARGETS], ids=describe)
def test_losses_of_a_prediction_are_those_of_each_image_alone(target, palette):
    model = build(with_palette(target, palette), preprocessor=NORMALISED)
    images = preprocess(model, levels(3))
    masks = random_masks(3)
    masks[1] = 0
    masks[2, :3] = 1
    samples = model(images, samples_of(masks), mode='predict')
    for i, sample in enumerate(samples):
        alone = model.masked_loss(images[i:i + 1], masks[i:i + 1]).detach()
        torch.testing.assert_close(sample.reconstruction_loss, alone, rtol=1e-5, atol=1e-6)
        assert ('reconstruction' in sample) == ('Token' not in target['type'])
    assert samples[1].reconstruction_loss == 0 < samples[0].reconstruction_loss


@pytest.mark.parametrize('rgb', [True, False])
@pytest.mark.parametrize('target', [*TARGETS[2:5], *CLASS_TARGETS[:4]], ids=describe)
def test_pictures_come_back_in_normalised_colours(target, rgb, palette):
    """Of a prediction that is the truth: no further from the image than the target is coarse."""
    model = build(with_palette(target, palette), preprocessor=dict(NORMALISED, bgr_to_rgb=rgb))
    flat = levels(size=(2, 2)).repeat_interleave(32, 2).repeat_interleave(32, 3)
    if 'palette' in target:
        colours = torch.from_numpy(np.load(palette)).round()[[3, 7, 1, 12, 5, 9, 0, 2]].reshape(2, 2, 2, 3)
        flat = colours.permute(0, 3, 1, 2).flip(1).repeat_interleave(32, 2).repeat_interleave(32, 3).to(torch.uint8)
    images, masks = preprocess(model, flat), random_masks()
    truth = model.target(images)
    if model.predicts_classes:
        truth = F.one_hot(truth, model.target_generator.num_classes).permute(0, 1, 4, 2, 3).flatten(1, 2).float()
    model.reconstruct = lambda images, mask: truth
    model.encode, model.neck = (lambda images, mask: truth), nn.Identity()
    most = 16 if target == CLASS_TARGETS[0] else 0.51  # levels: half a bin of 32, and clusters of rounded colours
    for i, sample in enumerate(model.predict(images, samples_of(masks))):
        assert sample.reconstruction.shape == (3, 64, 64)
        off = (sample.reconstruction - images[i]) * model.data_preprocessor.std
        assert off.abs().max() < most
    pasted = model.predict(images, samples_of(masks), paste_visible=True)[0].reconstruction
    pixels = masks[0].repeat_interleave(4, 0).repeat_interleave(4, 1).bool()
    assert torch.equal(pasted[:, ~pixels], images[0][:, ~pixels])


def test_scores_of_one_image_are_there_at_a_time():
    model = build(dict(type='mmsimmim.ColourBinTarget', num_bins=16))
    seen = []
    model.neck.register_forward_hook(lambda neck, args, out: seen.append(len(out)))
    model.predict(levels(3).float(), samples_of(random_masks(3)))
    assert seen == [1, 1, 1]


def test_a_token_model_says_that_there_is_nothing_to_draw():
    model = build(token_target())
    assert not model.makes_pictures
    with pytest.raises(UserError, match='The model predicts TokenTarget, not the colours of the image, so there is no'):
        require_pixel_model(model)
    cfg = Config(dict(default_scope='mmpretrain', model=model_config(token_target())))
    with pytest.raises(UserError, match='The model predicts TokenTarget, not the colours'):
        build_model(cfg, 'tokens.py')  # as the tools do
    for target in (dict(type='mmsimmim.ColourBinTarget'), dict(type='mmsimmim.PixelTarget', stride=32)):
        assert require_pixel_model(build(target)).makes_pictures


@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('target', [dict(type='mmsimmim.PixelTarget', stride=16), dict(type='mmsimmim.ColourBinTarget'),
                                    dict(type='mmsimmim.ColourBinTarget', stride=4), token_target()], ids=describe)
def test_stride_of_the_encoder_whatever_that_of_the_target(target, encoder):
    assert encoder_stride(build(target, encoder=encoder)) == ENCODERS[encoder][2]


# Compiled. Without a C++ compiler, which test machines may lack: capture and autograd, not code generation.

@pytest.mark.parametrize('target, loss', [
    (dict(type='mmsimmim.PixelTarget', stride=4), L1),
    (dict(type='mmsimmim.PatchNormalizedPixelTarget', patch_size=16), L1),
    *((dict(type='mmsimmim.ColourBinTarget'), loss) for loss in CLASSES),
    (dict(type='mmsimmim.ColourClusterTarget', palette=PALETTE, stride=2), CLASSES[1]),
    (token_target(), CLASSES[1])], ids=describe)
def test_compiles_as_one_graph(target, loss, palette):
    """In parts too: with scores_at_a_time of 1 each image is a part, predicted again in the backward pass."""
    model = build(with_palette(target, palette), loss, encoder='vit', preprocessor=NORMALISED)
    images, mask = preprocess(model, levels()), random_masks(encoder='vit')
    expected = model.masked_loss(images, mask)
    expected.backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.requires_grad]
    model.zero_grad()
    torch.compiler.reset()
    loss = torch.compile(model.masked_loss, fullgraph=True, backend='aot_eager')(images, mask)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close([p.grad for p in model.parameters() if p.requires_grad], gradients)


def test_a_sample_without_a_mask_is_refused_for_classes_too():
    with pytest.raises(ValueError, match='needs a mask with every image'):
        build(dict(type='mmsimmim.ColourBinTarget')).predict(levels(1).float(), [BaseDataElement()])
