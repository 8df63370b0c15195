"""The nearest colours of a palette against brute force in float64."""

import numpy as np
import pytest
import torch

from mmsimmim.analysis.memory.live_memory import LiveMemory
from mmsimmim.models import ColourClusterTarget
from mmsimmim.models.targets import colour_clusters
from tests.models.tiny import NOT_NORMALISED, build, levels, preprocess, write_palette

NORMALISED = dict(type='mmpretrain.SelfSupDataPreprocessor', mean=[123.675, 116.28, 103.53],
                  std=[58.395, 57.12, 57.375])


def distances(pixels, palette):
    """Squared distances (N, K) in float64."""
    return ((pixels[:, None].astype(np.float64) - palette.astype(np.float64))**2).sum(2)


def means_of(images, stride):
    """Means over squares of images (B, C, H, W), as pixels (N, C) in the order of the target."""
    b, c, h, w = images.shape
    squares = images.numpy().astype(np.float64).reshape(b, c, h // stride, stride, w // stride, stride)
    return squares.mean((3, 5)).transpose(0, 2, 3, 1).reshape(-1, c)


@pytest.mark.parametrize('stride', [1, 2, 4])
@pytest.mark.parametrize('num_colours', [2, 16, 512])
def test_equals_brute_force(tmp_path, num_colours, stride):
    target = ColourClusterTarget(write_palette(tmp_path / 'palette.npy', num_colours), stride)
    images = levels(size=(16, 24))
    out = target(images.float())
    assert out.dtype == torch.int64 and out.shape == (2, 1, 16 // stride, 24 // stride)
    assert target.num_classes == target.out_channels(3) == num_colours
    expected = distances(means_of(images, stride), target.palette.numpy())
    chosen = np.take_along_axis(expected, out.numpy().reshape(-1, 1), 1)[:, 0]
    np.testing.assert_allclose(chosen, expected.min(1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('preprocessor', [NOT_NORMALISED, *(dict(NORMALISED, bgr_to_rgb=rgb) for rgb in (True, False))],
                         ids=['not normalised', 'rgb', 'bgr'])
@pytest.mark.parametrize('stride', [1, 2])
def test_whatever_the_preprocessor_did(tmp_path, preprocessor, stride):
    """Palette of whole colours: many a pixel is as near to one as to another, and takes the first."""
    palette = np.random.default_rng(0).integers(0, 32, (60, 3)) * 8
    model = build(dict(type='mmsimmim.ColourClusterTarget', palette=write_palette(tmp_path / 'p.npy', palette),
                       stride=stride), preprocessor=preprocessor)
    images = levels() // 4 * 4
    expected = distances(means_of(images.flip(1), stride), palette)
    assert (np.sort(expected, 1)[:, 0] == np.sort(expected, 1)[:, 1]).sum() > 20
    out = model.target(preprocess(model, images))
    np.testing.assert_array_equal(out.numpy().flatten(), expected.argmin(1))


def test_the_channels_of_the_palette_are_red_green_blue(tmp_path):
    """A picture that is loaded with blue at 255 is nearest to blue."""
    path = write_palette(tmp_path / 'p.npy', [[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    loaded = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    loaded[:, 0] = 255
    for rgb in (True, False):
        model = build(dict(type='mmsimmim.ColourClusterTarget', palette=path),
                      preprocessor=dict(NORMALISED, bgr_to_rgb=rgb))
        images = preprocess(model, loaded)
        assert (model.target(images) == 2).all()
        scores = torch.tensor([0., 0., 1.]).reshape(1, 3, 1, 1).expand(1, 3, 64, 64)
        torch.testing.assert_close(model.to_colours(scores, images), images)


@pytest.mark.parametrize('stride', [1, 8])
def test_restore_gives_the_likeliest_colours(tmp_path, stride):
    target = ColourClusterTarget(write_palette(tmp_path / 'p.npy', 9), stride)
    scores = torch.randn(2, 9, 16 // stride, 24 // stride)
    restored = target.restore(scores, torch.zeros(2, 3, 16, 24))
    assert restored.shape == (2, 3, 16, 24)
    for image, row, col in np.ndindex(2, 16, 24):
        likeliest = scores[image, :, row // stride, col // stride].argmax()
        assert torch.equal(restored[image, :, row, col], target.palette[likeliest])


def test_is_the_same_under_autocast_and_without_gradient(tmp_path):
    model = build(dict(type='mmsimmim.ColourClusterTarget', palette=write_palette(tmp_path / 'p.npy', 300)))
    images = levels().float().requires_grad_()
    expected = model.target(images)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(model.target(images), expected)
    assert not expected.requires_grad


def test_memory_is_bounded_by_parts(tmp_path, monkeypatch):
    target = ColourClusterTarget(write_palette(tmp_path / 'p.npy', 64))
    colours = levels(size=(32, 32)).float()
    with LiveMemory() as memory:
        whole = target(colours)
    distance_bytes = 2 * 32 * 32 * 64 * 4
    assert memory.peak > 2 * distance_bytes
    monkeypatch.setattr(colour_clusters, 'DISTANCES_AT_A_TIME', 64 * 100)  # 100 of 2048 pixels
    with LiveMemory() as memory:
        in_parts = target(colours)
    assert torch.equal(in_parts, whole)
    images = 3 * 2 * 32 * 32 * 4
    assert memory.peak < 2 * 64 * 100 * 4 + 6 * images < distance_bytes
    monkeypatch.setattr(colour_clusters, 'DISTANCES_AT_A_TIME', 1)  # fewer than colours: pixel by pixel
    assert torch.equal(target(colours[:1, :, :4, :4]), whole[:1, :, :4, :4])


def test_the_palette_is_part_of_checkpoints_and_comes_from_a_file_of_any_number_type(tmp_path):
    np.save(tmp_path / 'p.npy', np.array([[0, 0, 0], [255, 128, 0]], np.uint8))
    target = ColourClusterTarget(str(tmp_path / 'p.npy'))
    assert target.palette.tolist() == [[0, 0, 0], [255, 128, 0]] and target.palette.dtype == torch.float32
    assert list(target.state_dict()) == ['palette'] and not list(target.parameters())


def save(path, array, write=np.save):
    with open(path, 'wb') as file:
        write(file, array)


BAD = dict(
    text=(lambda path: path.write_text('no array'), 'cannot be read as a .npy file'),
    empty=(lambda path: path.write_bytes(b''), 'cannot be read as a .npy file'),
    cut_off=(lambda path: (save(path, np.ones((9, 3))), path.write_bytes(path.read_bytes()[:-8])),
             'cannot be read as a .npy file'),
    broken_zip=(lambda path: path.write_bytes(b'PK\x03\x04 and nothing behind'), 'cannot be read as a .npy file'),
    folder=(lambda path: path.mkdir(), 'cannot be read as a .npy file'),
    objects=(lambda path: save(path, np.array([[1, 2, None]], object)), 'cannot be read as'),
    several_arrays=(lambda path: save(path, np.ones((9, 3)), np.savez), r'the shape \(K, 3\).*got NpzFile'),
    flat=(lambda path: save(path, np.ones(9)), r'the shape \(K, 3\), at least two colours.*got \(9,\)'),
    four=(lambda path: save(path, np.ones((9, 4))), r'got \(9, 4\)'),
    one=(lambda path: save(path, np.ones((1, 3))), r'got \(1, 3\)'),
    negative=(lambda path: save(path, np.full((9, 3), -1.)), 'must be numbers between 0 and 255'),
    bright=(lambda path: save(path, np.full((9, 3), 256)), 'must be numbers between 0 and 255'),
    not_numbers=(lambda path: save(path, np.full((9, 3), np.nan)), 'must be numbers between 0 and 255'),
    words=(lambda path: save(path, np.full((9, 3), 'red')), 'must be numbers between 0 and 255'),
    switches=(lambda path: save(path, np.ones((9, 3), bool)), 'must be numbers between 0 and 255'))


@pytest.mark.parametrize('write, message', BAD.values(), ids=BAD)
def test_files_that_are_no_palette(tmp_path, write, message):
    path = tmp_path / 'palette.npy'
    write(path)
    with pytest.raises(ValueError, match=message) as error:
        ColourClusterTarget(str(path))
    assert str(path) in str(error.value)


def test_a_missing_palette_says_how_to_make_one(tmp_path):
    with pytest.raises(ValueError, match=r'There is no palette .*nowhere.npy: .*fit_palette.py FOLDER --out'):
        ColourClusterTarget(str(tmp_path / 'nowhere.npy'))


def test_other_bad_arguments(tmp_path):
    path = write_palette(tmp_path / 'p.npy', 3)
    with pytest.raises(ValueError, match='stride must be'):
        ColourClusterTarget(path, stride=0)
    with pytest.raises(ValueError, match='stride 5 of the target must divide'):
        ColourClusterTarget(path, stride=5)(torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match='three channels, the encoder has 4'):
        ColourClusterTarget(path).out_channels(4)
