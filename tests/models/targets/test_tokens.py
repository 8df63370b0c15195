"""Tokens against the tokenizers themselves, called on the image that they should see."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from mmsimmim.models import TokenTarget
from mmsimmim.registry import MODELS
from tests.models.tiny import (
    DALLE,
    NOT_NORMALISED,
    VQKD,
    build,
    levels,
    preprocess,
    random_masks,
    token_target,
)

NORMALISED = dict(type='mmpretrain.SelfSupDataPreprocessor', mean=[123.675, 116.28, 103.53],
                  std=[58.395, 57.12, 57.375])
PREPROCESSORS = [NOT_NORMALISED, *(dict(NORMALISED, bgr_to_rgb=rgb) for rgb in (True, False))]
NAMES = ['not normalised', 'rgb', 'bgr']


def as_seen(images, size, mean, std):
    """Images as loaded (uint8, blue first), for a tokenizer: red first, at its size, in its values; in float64."""
    colours = images.flip(1).double()
    if colours.shape[2:] != (size, size):
        colours = F.interpolate(colours, (size, size), mode='bicubic', antialias=True).clamp(0, 255)
    return (colours - mean) / std


def smooth(images=2, size=(64, 64), seed=0):
    """As loaded: uint8, blue first."""
    coarse = levels(images, size=(6, 6), seed=seed).float() * 0.8 + 20
    return F.interpolate(coarse, size, mode='bicubic').round().clamp(0, 255).to(torch.uint8)


def use_many_tokens(target):
    """Random weights give the same few tokens to everything: take away from the scores what all images have."""
    dalle = hasattr(target.tokenizer, 'blocks')
    last = target.tokenizer.blocks.output.conv if dalle else target.tokenizer.encode_task_layer[-1]
    found = []
    with last.register_forward_hook(lambda module, args, out: found.append(out)):
        target(smooth(8).flip(1).float())
    (last.b if dalle else last.bias).data -= found[0].mean((0, 2, 3) if dalle else (0, 1))


@pytest.mark.parametrize('preprocessor', PREPROCESSORS, ids=NAMES)
@pytest.mark.parametrize('stride', [8, 16])
def test_dalle(preprocessor, stride):
    """At stride 8 the image stays as it is; at 16 the tokenizer sees half of it. Colours come as 0.1 to 0.9."""
    model = build(token_target(stride=stride), preprocessor=preprocessor)
    use_many_tokens(model.target_generator)
    images, side = smooth(), 64 // stride
    tokens = model.target(preprocess(model, images))
    assert tokens.dtype == torch.int64 and tokens.shape == (2, 1, side, side)
    seen = as_seen(images, side * 8, -31.875, 318.75)
    assert 0.1 <= seen.min() and seen.max() <= 0.9
    scores = model.target_generator.tokenizer(seen.float())
    assert_likeliest(tokens[:, 0], scores)
    assert len(tokens.unique()) > 2


def assert_likeliest(tokens, scores):
    """Rounding may decide between two tokens as likely as each other, and nothing else."""
    assert scores.shape[1] == 12
    torch.testing.assert_close(scores.gather(1, tokens[:, None])[:, 0], scores.amax(1), rtol=0, atol=1e-4)


@pytest.mark.parametrize('preprocessor', PREPROCESSORS, ids=NAMES)
@pytest.mark.parametrize('stride', [16, 32])
def test_vqkd(preprocessor, stride):
    model = build(token_target(VQKD, stride=stride), preprocessor=preprocessor)
    use_many_tokens(model.target_generator)
    images, side = smooth(), 64 // stride
    tokens = model.target(preprocess(model, images))
    tokenizer = model.target_generator.tokenizer.double()
    expected = tokenizer(as_seen(images, side * 16, 127.5, 127.5))
    assert expected.shape == (2, side**2)
    assert torch.equal(tokens.flatten(1), expected)
    assert len(tokens.unique()) > 2


def test_the_image_is_resized_as_pillow_does():
    """Averaging where it shrinks; on levels, so that a rounding apart is one of 255."""
    target = TokenTarget(DALLE, 12)
    images = smooth(1, (64, 96))
    seen = target._as_seen(images.float(), 4, 6) * 318.75 - 31.875
    resized = [Image.fromarray(channel.numpy()).resize((48, 32), Image.Resampling.BICUBIC) for channel in images[0]]
    expected = torch.stack([torch.from_numpy(np.array(channel)) for channel in resized])
    assert (seen[0] - expected).abs().max() < 1.01


@MODELS.register_module()
class BrightnessTokens(nn.Module):
    """A user's tokenizer: how bright each square of 4 pixels is. Gives ids in the shape that is asked for."""

    def __init__(self, levels=5, dtype=torch.int32, flat=False):
        super().__init__()
        self.levels, self.dtype, self.flat = levels, dtype, flat

    def forward(self, images):
        ids = (F.avg_pool2d(images.mean(1), 4) * self.levels).floor().clamp(0, self.levels - 1).to(self.dtype)
        return ids.flatten(1) if self.flat else ids


@pytest.mark.parametrize('flat', [False, True])
@pytest.mark.parametrize('dtype', [torch.int32, torch.int64, torch.uint8])
def test_a_users_module_that_gives_ids(dtype, flat):
    model = build(dict(type='mmsimmim.TokenTarget', num_tokens=5, stride=4, tokenizer_stride=4, mean=0., std=255.,
                       tokenizer=dict(type='mmsimmim.BrightnessTokens', dtype=dtype, flat=flat)))
    images = levels()
    tokens = model.target(images.float())
    expected = (images.double() / 255).mean(1).reshape(2, 16, 4, 16, 4).mean((2, 4)) * 5
    assert torch.equal(tokens[:, 0], expected.floor().long()) and tokens.dtype == torch.int64
    loss = model.masked_loss(images.float(), random_masks())
    loss.backward()
    assert loss.isfinite()


@MODELS.register_module()
class TrainReturnsNothing(nn.Conv2d):
    """As backbones of mmpretrain do."""

    def __init__(self):
        super().__init__(3, 12, 16, 16)

    def train(self, mode=True):
        super().train(mode)


def test_a_module_whose_eval_returns_nothing():
    target = TokenTarget(dict(type='mmsimmim.TrainReturnsNothing'), 12, tokenizer_stride=16)
    colours = levels().float()
    assert torch.equal(target(colours)[:, 0], target.tokenizer((colours + 31.875) / 318.75).argmax(1))


def test_each_channel_has_its_own_mean_and_deviation():
    target = TokenTarget(DALLE, 12, stride=8, mean=(1., 2., 3.), std=(4., 5., 6.))
    colours = levels().float()
    expected = torch.stack([(colours[:, i] - i - 1) / (i + 4) for i in range(3)], 1)
    torch.testing.assert_close(target._as_seen(colours, 8, 8), expected)


@pytest.mark.parametrize('tokenizer', [DALLE, VQKD], ids=['dalle', 'vqkd'])
def test_nothing_changes_the_tokenizer(tokenizer):
    """Two steps with weight decay: parameters, buffers (VQ-KD counts its tokens), modes."""
    model = build(token_target(tokenizer))
    model.train()
    assert model.training and model.target_generator.training
    assert not any(module.training for module in model.target_generator.tokenizer.modules())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    for seed in range(2):
        optimizer.zero_grad()
        model.masked_loss(levels(seed=seed).float(), random_masks(seed=seed)).backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith('target_generator.'), name
    assert all(p.grad is None and not p.requires_grad for p in model.target_generator.parameters())
    model.eval().train()
    assert not any(module.training for module in model.target_generator.tokenizer.modules())


def test_an_empty_codebook_is_refused_until_it_is_loaded():
    """VQ-KD of mmpretrain would run k-means over the first images, in evaluation mode too."""
    model = build(token_target(dict(VQKD, quantize_kmeans_init=True)))
    images = levels().float()
    torch.compiler.reset()
    for target in (model.target, torch.compile(model.target, backend='eager')):
        with pytest.raises(ValueError, match='codebook of the tokenizer is empty: give its weights.*init_cfg'):
            target(images)
    trained = build(token_target(VQKD), seed=1)
    model.load_state_dict(trained.state_dict())
    assert torch.equal(model.target(images), trained.target(images))


@pytest.mark.parametrize('tokenizer', [DALLE, dict(VQKD, quantize_kmeans_init=True)], ids=['dalle', 'vqkd'])
def test_weights_from_a_file(tmp_path, tokenizer):
    """By way of SimMIM.init_weights, as the runner calls it."""
    given = build(token_target(VQKD if 'num_embed' in tokenizer else DALLE), seed=1).target_generator.tokenizer
    file = str(tmp_path / 'tokenizer.pth')
    torch.save(dict(state_dict=given.state_dict()), file)
    model = build(token_target(dict(tokenizer, init_cfg=dict(type='Pretrained', checkpoint=file)),
                               ))
    model.init_weights()
    state = model.target_generator.tokenizer.state_dict()
    assert state.keys() == given.state_dict().keys()
    for name, value in given.state_dict().items():
        assert torch.equal(state[name], value), name
    assert not any(p.requires_grad for p in model.target_generator.parameters())
    model.target(levels().float())


@pytest.mark.parametrize('tokenizer', [DALLE, VQKD], ids=['dalle', 'vqkd'])
def test_the_tokenizer_is_part_of_checkpoints(tokenizer):
    model, other = (build(token_target(tokenizer), seed=seed) for seed in (0, 1))
    use_many_tokens(model.target_generator)
    images = smooth().float()
    assert not torch.equal(model.target(images), other.target(images))
    result = other.load_state_dict(model.state_dict())
    assert not result.missing_keys and not result.unexpected_keys
    assert torch.equal(model.target(images), other.target(images))


@pytest.mark.parametrize('tokenizer', [DALLE, VQKD], ids=['dalle', 'vqkd'])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_tokens_do_not_depend_on_the_precision_of_the_training(dtype, tokenizer):
    model = build(token_target(tokenizer))
    use_many_tokens(model.target_generator)
    images = smooth(8).float()
    expected = model.target(images)
    with torch.autocast('cpu', dtype=dtype):
        assert torch.equal(model.target(images), expected)
        assert model.encode(images, random_masks(8)).dtype == dtype


@pytest.mark.parametrize('kwargs, message', [
    (dict(num_tokens=1), 'num_tokens must be an integer of at least 2, got 1'), (dict(num_tokens=8.), 'num_tokens'),
    (dict(stride=0), 'stride must be an integer'), (dict(tokenizer_stride=0), 'tokenizer_stride must be an integer'),
    (dict(std=0.), 'std must be above 0, got 0.0'), (dict(std=(1., -1., 1.)), 'std must be above 0'),
    (dict(mean=(1., 2.)), 'mean must be a number, or one for each of red, green and blue; got 2')])
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TokenTarget(DALLE, **kwargs)


def test_what_does_not_go_together_is_refused():
    colours = levels().float()
    with pytest.raises(ValueError, match='gives scores of 12 tokens, num_tokens is 8192'):
        TokenTarget(DALLE)(colours)
    with pytest.raises(ValueError, match=r'gave the shape \(2, 12, 8, 8\) for 4 x 4 tokens: tokenizer_stride 16 must'):
        TokenTarget(DALLE, 12, tokenizer_stride=16)(colours)
    with pytest.raises(ValueError, match='stride 5 of the target must divide'):
        TokenTarget(DALLE, 12, stride=5)(colours)
    with pytest.raises(ValueError, match='three channels, the encoder has 1'):
        TokenTarget(DALLE, 12).out_channels(1)
    brightness = dict(type='mmsimmim.BrightnessTokens', levels=999)
    with pytest.raises(ValueError, match=r'ids from \d+ to \d+, and num_tokens is 5: they must lie between 0 and num_'):
        TokenTarget(brightness, 5, stride=4, tokenizer_stride=4, mean=0., std=255.)(colours)
    several = dict(type='mmpretrain.ResNet', depth=18)
    with pytest.raises(ValueError, match='must give a tensor of ids or scores, got a tuple'):
        TokenTarget(several, 12)(colours)


def test_is_built_without_memory():
    """As for counting parameters or FLOPs of a config."""
    with torch.device('meta'):
        target = TokenTarget(DALLE, 12)
    assert target.mean.is_meta and target.std.is_meta
