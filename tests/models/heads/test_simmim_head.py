"""Where the loss looks, and the scores of classes in bounded memory."""

import itertools

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmsimmim.analysis.memory.live_memory import LiveMemory
from mmsimmim.models import SimMIMHead
from mmsimmim.registry import MODELS
from tests.golden import relative_error
from tests.models.necks.plain import REPO
from tests.models.tiny import CROSS_ENTROPY, L1, build, levels, random_masks


def head(patch_size=4, loss=L1, **kwargs):
    return MODELS.build(dict(type='mmsimmim.SimMIMHead', patch_size=patch_size, loss=loss, **kwargs))


def share_naively(mask, patch_size, stride):
    """How much of each position is masked, by counting pixels."""
    rows, cols = (side * patch_size // stride for side in mask.shape[1:])
    out = torch.zeros(len(mask), 1, rows, cols, dtype=torch.float64)
    for b, i, j in itertools.product(range(len(mask)), range(rows * stride), range(cols * stride)):
        out[b, 0, i // stride, j // stride] += mask[b, i // patch_size, j // patch_size].item() / stride**2
    return out


@pytest.mark.parametrize('patch_size, stride, dtype', [
    (4, 1, torch.uint8), (4, 1, torch.bool), (4, 2, torch.int64), (4, 4, torch.float32), (4, 8, torch.uint8),
    (4, 32, torch.bool), (16, 1, torch.uint8), (16, 32, torch.uint8), (4, 12, torch.uint8)])
def test_weights_equal_a_count_of_masked_pixels(patch_size, stride, dtype):
    torch.manual_seed(0)
    height, width = (24, 36) if stride == 12 else (32, 64)
    mask = (torch.rand(2, height // patch_size, width // patch_size) < 0.6).to(dtype)
    target = torch.zeros(2, 3, height // stride, width // stride)
    weights = head(patch_size, target_stride=stride).weights(target, mask)
    expected = share_naively(mask, patch_size, stride)
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights.double(), expected, rtol=1e-6, atol=0)
    assert (0 < expected).logical_and(expected < 1).any() == (stride > patch_size)
    assert head(patch_size, target_stride=stride).weights(target.double(), mask).dtype == torch.float64


@pytest.mark.parametrize('stride', [1, 4, 8, 16])
def test_masked_area(stride):
    """A coarse position counts as much as there is masked of it."""
    torch.manual_seed(0)
    pred, target = torch.randn(2, 2, 3, 32 // stride, 32 // stride, dtype=torch.float64)
    mask = (torch.rand(2, 8, 8) < 0.6).to(torch.uint8)
    weights = share_naively(mask, 4, stride)
    expected = ((pred - target).abs() * weights).sum() / (weights.sum() + 1e-5) / 3
    loss = head(target_stride=stride).loss(pred, target, mask)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize('stride', [1, 4, 8])
def test_whole_area_is_the_plain_mean(stride):
    """But for the 1e-5 beside the number of positions; the mask does not matter, an empty one neither."""
    torch.manual_seed(0)
    pred, target = torch.randn(2, 2, 3, 32 // stride, 32 // stride, dtype=torch.float64)
    positions = 2 * (32 // stride)**2
    expected = (pred - target).abs().mean() * positions / (positions + 1e-5)
    whole = head(area='whole', target_stride=stride)
    for mask in (torch.zeros(2, 8, 8), (torch.rand(2, 8, 8) < 0.6).to(torch.uint8)):
        assert whole.loss(pred, target, mask).item() == pytest.approx(expected.item(), rel=1e-12)


def test_nothing_masked_gives_zero():
    pred, target = torch.randn(2, 1, 3, 16, 16)
    assert head().loss(pred, target, torch.zeros(1, 4, 4)) == 0


# Loss in parts. Images of 64 px and a token at 32 px, 2 x 2 tokens.

class Neck(nn.Module):
    """Predicts each image by itself, and says of how many images at a time."""

    def __init__(self, out_channels, factor, channels=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, out_channels * factor**2, 1), nn.PixelShuffle(factor))
        self.calls = []

    def forward(self, latent):
        self.calls.append(len(latent))
        return self.layers(latent)


def class_head(scores_at_a_time, num_classes, **kwargs):
    return head(loss=dict(CROSS_ENTROPY, scores_at_a_time=scores_at_a_time), num_classes=num_classes, **kwargs)


def step(head, neck, latent, target, mask):
    latent = latent.clone().requires_grad_()
    neck.zero_grad()
    neck.calls.clear()
    loss = head.loss_in_parts(neck, latent, target, mask)
    loss.backward()
    return loss.detach(), [latent.grad, *(p.grad.clone() for p in neck.parameters())]


@pytest.mark.parametrize('area', ['masked', 'whole'])
@pytest.mark.parametrize('groups, num_classes, stride', [(3, 4, 1), (1, 7, 8), (3, 2, 32)])
@pytest.mark.parametrize('images_at_a_time', [1, 2, 3, 4])
def test_in_parts_is_the_same(images_at_a_time, groups, num_classes, stride, area):
    """Value and every gradient, with unequal counts of masked tokens, one image with none, and a rest of images."""
    torch.manual_seed(0)
    latent = torch.randn(5, 6, 2, 2, dtype=torch.float64)
    target = torch.randint(num_classes, (5, groups, 64 // stride, 64 // stride))
    mask = (torch.rand(5, 16, 16) < torch.tensor([0.1, 0.9, 0., 0.5, 1.])[:, None, None]).to(torch.uint8)
    neck = Neck(groups * num_classes, 32 // stride).double()
    for parameter in neck.parameters():
        nn.init.normal_(parameter)
    scores_of_an_image = groups * num_classes * (64 // stride)**2
    plain = head(loss=CROSS_ENTROPY, num_classes=num_classes, target_stride=stride, area=area)
    expected, gradients = step(plain, neck, latent, target, mask)
    assert neck.calls == [5]
    assert expected == plain.loss(neck(latent), target, mask)

    parts = class_head(images_at_a_time * scores_of_an_image + 1, num_classes, target_stride=stride, area=area)
    assert parts.images_at_a_time(target) == images_at_a_time
    loss, found = step(parts, neck, latent, target, mask)
    assert max(neck.calls) == images_at_a_time and sum(neck.calls) == 2 * 5  # once forwards, once backwards
    assert relative_error(loss, expected) < 1e-12
    for gradient, other in zip(found, gradients, strict=True):
        assert relative_error(gradient, other) < 1e-12


def test_an_image_is_the_smallest_part():
    assert class_head(1, 256).images_at_a_time(torch.zeros(3, 3, 8, 8, dtype=torch.int64)) == 1


def test_values_are_never_cut():
    target = torch.zeros(7, 3, 8, 8)
    assert head().images_at_a_time(target) == 7
    neck = Neck(3, 32)
    latent, mask = torch.randn(2, 6, 2, 2), torch.ones(2, 16, 16)
    loss = head().loss_in_parts(neck, latent, torch.zeros(2, 3, 64, 64), mask)
    assert neck.calls == [2] and loss == head().loss(neck(latent), torch.zeros(2, 3, 64, 64), mask)


def test_256_bins_at_192_pixels_take_few_images_at_a_time():
    """28 million scores for an image: 4 images make less than 2**27. The paper's 48 px go 75 at a time."""
    default = head(loss=CROSS_ENTROPY, num_classes=256)
    target = torch.empty(128, 3, 192, 192, dtype=torch.int64, device='meta')
    assert target[0].numel() * 256 == 28_311_552
    assert default.images_at_a_time(target) == 4
    assert default.images_at_a_time(target[..., :48, :48]) == 75
    assert head(loss=CROSS_ENTROPY, num_classes=8).images_at_a_time(target) >= 128


def peak(head, images, num_classes=256):
    """Most bytes of a step, forwards and backwards, beside parameters, latent, target and their gradients."""
    torch.manual_seed(0)
    neck = Neck(3 * num_classes, 8, channels=2)
    latent = torch.randn(images, 2, 4, 4, requires_grad=True)
    target, mask = torch.randint(num_classes, (images, 3, 32, 32)), torch.ones(images, 8, 8)
    neck(latent.detach()[:1]).sum().backward()  # now the gradients are there
    with LiveMemory() as memory:
        head.loss_in_parts(neck, latent, target, mask).backward()
    return memory.peak


def test_memory_is_bounded_whatever_the_batch():
    """At 32 px an image of 256 bins has 3 MiB of scores in float32."""
    one = 3 * 256 * 32**2 * 4
    parts = class_head(2 * one // 4, 256)
    few, many = peak(parts, 4), peak(parts, 16)
    assert 3 * 2 * one < few < 3.5 * 2 * one  # the three tensors of the docstring
    assert many < 1.05 * few
    assert peak(head(loss=CROSS_ENTROPY, num_classes=256), 16) > 3 * 16 * one


@pytest.mark.parametrize('scores', [2**27, 3 * 4 * 64**2])
def test_the_whole_model_in_parts_is_the_same(scores):
    """From the images on, under autocast, where the second prediction must be in the precision of the first."""
    loss = dict(CROSS_ENTROPY, scores_at_a_time=scores)
    model = build(dict(type='mmsimmim.ColourBinTarget', num_bins=4), loss)
    images, mask = levels(4).float(), random_masks(4)
    assert model.head.images_at_a_time(model.target(images)) == (1 if scores < 2**27 else 2**27 // (3 * 4 * 64**2))
    gradients = []
    for head in (model.head, build(dict(type='mmsimmim.ColourBinTarget', num_bins=4)).head):
        model.head = head
        model.zero_grad()
        with torch.autocast('cpu', dtype=torch.bfloat16):
            value = model.masked_loss(images, mask)
        value.backward()
        gradients.append([value.detach(), *(p.grad.clone() for p in model.parameters())])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * other.abs().max().item())


def test_dropout_in_the_neck_is_drawn_once():
    """The second prediction drops what the first dropped; the gradient would belong to another loss otherwise."""
    class Dropping(Neck):
        def forward(self, latent):
            return super().forward(nn.functional.dropout(latent, 0.5))

    torch.manual_seed(0)
    neck = Dropping(3 * 4, 32).double()
    latent, target = torch.randn(4, 6, 2, 2, dtype=torch.float64), torch.randint(4, (4, 3, 64, 64))
    mask = torch.ones(4, 16, 16)
    parts = class_head(3 * 4 * 64**2, 4)
    torch.manual_seed(1)
    _, (_, weight, _) = step(parts, neck, latent, target, mask)
    eps = 1e-5
    with torch.no_grad():
        direction = torch.randn_like(neck.layers[0].weight)
        values = []
        for sign in (1, -1):
            neck.layers[0].weight += sign * eps * direction
            torch.manual_seed(1)
            values.append(parts.loss_in_parts(neck, latent, target, mask))
            neck.layers[0].weight -= sign * eps * direction
    slope = (values[0] - values[1]) / (2 * eps)
    assert slope.item() == pytest.approx((weight * direction).sum().item(), rel=1e-6)


@pytest.mark.parametrize('kwargs, message', [
    (dict(area='visible'), r"area 'visible' is none of \['masked', 'whole'\]"),
    (dict(target_stride=6), 'patch_size 4 of the mask and the stride 6 of the target must divide one another'),
    (dict(loss=CROSS_ENTROPY), 'CrossEntropyReconstructionLoss of the head compares classes, and the target has values'
                               ": set head.loss.type='mmsimmim.PixelReconstructionLoss', or another target_generator"),
    (dict(num_classes=8), 'PixelReconstructionLoss of the head compares values, and the target has classes: '
                          "set head.loss.type='mmsimmim.CrossEntropyReconstructionLoss'")])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        head(**kwargs)


@MODELS.register_module()
class LossFromElsewhere(nn.Module):
    """Does not say whether it takes values or classes."""

    def forward(self, pred, target, mask):
        return pred.mean() + target.float().mean() + mask.mean()


def test_a_loss_that_does_not_say_what_it_takes_is_taken_as_fitting():
    for num_classes, channels in ((None, 3), (8, 24)):
        one = SimMIMHead(4, dict(type='mmsimmim.LossFromElsewhere'), num_classes=num_classes)
        target = torch.ones(1, 3, 4, 4, dtype=torch.int64)
        assert one.loss(torch.ones(1, channels, 4, 4), target, torch.ones(1, 1, 1)) == 3


def test_what_does_not_fit_is_refused():
    one, mask = head(), torch.ones(1, 4, 4)
    with pytest.raises(ValueError, match=r'the mask covers \(16, 16\) pixels, the image has \(32, 16\): patch_size of'):
        one.loss(torch.zeros(1, 3, 32, 16), torch.zeros(1, 3, 32, 16), mask)
    with pytest.raises(ValueError, match=r'the image has \(64, 64\)'):
        head(target_stride=4).loss(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), mask)
    classes = torch.zeros(1, 3, 16, 16, dtype=torch.int64)
    with pytest.raises(ValueError, match='prediction has 12 channels, and the target takes 8 scores in 3 groups: out_'):
        head(loss=CROSS_ENTROPY, num_classes=8).loss(torch.zeros(1, 12, 16, 16), classes, mask)


def test_the_ablation_of_256_bins_goes_in_parts():
    """Swin-B's head for 256 bins of the 48 px image."""
    cfg = Config.fromfile(REPO / 'configs/pretrain/ablations/simmim_swin-base-w6_100e_target-bins-256-48px.py')
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert model.head.target_stride == 4 and model.head.num_classes == 256
    assert model.neck.decoder[0].out_channels == 3 * 256 * 8**2
    assert model.head.images_at_a_time(torch.empty(128, 3, 48, 48, dtype=torch.int64, device='meta')) == 75
