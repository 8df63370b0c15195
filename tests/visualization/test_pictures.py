"""Reading and masking images of any size."""

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image

from mmsimmim.errors import UserError
from mmsimmim.registry import TRANSFORMS
from mmsimmim.visualization import PictureLoader
from mmsimmim.visualization.pictures import resize

from .tiny import tiny_config, write_picture


@pytest.fixture
def cfg(tmp_path):
    init_default_scope('mmpretrain')
    return tiny_config(tmp_path)


@pytest.mark.parametrize('height, width, expected', [
    (64, 64, (64, 64)),
    (70, 90, (64, 96)),
    (640, 1000, (64, 96)),
    (33, 17, (128, 64)),
    (301, 1003, (64, 224)),
])
def test_whole_image_near_the_size_of_pretraining(cfg, tmp_path, height, width, expected):
    batch = PictureLoader(cfg, encoder_stride=32)(write_picture(tmp_path / 'a.png', height, width))
    assert batch['inputs'].shape == (1, 3, *expected)
    assert batch['data_samples'][0].mask.shape == (expected[0] // 4, expected[1] // 4)


def test_image_of_the_right_size_is_read_as_it_is(cfg, tmp_path):
    path = write_picture(tmp_path / 'a.png', 64, 96)
    batch = PictureLoader(cfg, encoder_stride=32)(path)
    np.testing.assert_array_equal(batch['inputs'][0].permute(1, 2, 0).numpy()[..., ::-1], np.asarray(Image.open(path)))


def test_masks_of_the_config(cfg, tmp_path):
    mask = PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png', 64, 96))['data_samples'][0].mask.numpy()
    blocks = mask.reshape(4, 4, 6, 4).transpose(0, 2, 1, 3).reshape(24, 16)
    assert (blocks == blocks[:, :1]).all()
    assert blocks[:, 0].sum() == 15  # 0.6 * 24, rounded up


def test_masks_by_choice(cfg, tmp_path):
    loader = PictureLoader(cfg, 32, size=(96, 96), mask_ratio=0.25, mask_patch_size=48)
    mask = loader(write_picture(tmp_path / 'a.png'))['data_samples'][0].mask.numpy()
    assert mask.shape == (24, 24) and mask.sum() == 144
    assert mask[:12, :12].all() + mask[:12, 12:].all() + mask[12:, :12].all() + mask[12:, 12:].all() == 1


def test_patch_that_does_not_divide_the_size_of_pretraining(cfg, tmp_path):
    batch = PictureLoader(cfg, 32, mask_patch_size=24)(write_picture(tmp_path / 'a.png'))
    assert batch['inputs'].shape == (1, 3, 96, 96)


@pytest.mark.parametrize('kind, arguments', [
    ('SimMIMMaskGenerator', {}), ('SquareMaskGenerator', dict(position='central')),
    ('SquareMaskGenerator', dict(position='random')),
    ('BlockwiseMaskGenerator', dict(min_num_patches=30, min_aspect=0.5, max_aspect=1))])
def test_every_strategy_masks_images_of_any_size(cfg, tmp_path, kind, arguments):
    """Arguments of a strategy outlive the change of size, also to a grid smaller than its smallest block."""
    own = dict(cfg.train_dataloader.dataset.pipeline[2], type=f'mmsimmim.{kind}', **arguments)
    cfg.train_dataloader.dataset.pipeline[2] = dict(own, seed=4)
    path = write_picture(tmp_path / 'a.png', 70, 90)
    for choice, size in [({}, (64, 96)), (dict(size=(32, 192)), (32, 192)), (dict(size=(32, 32)), (32, 32))]:
        mask = PictureLoader(cfg, 32, seed=2, **choice)(path, 1)['data_samples'][0].mask.numpy()
        expected = TRANSFORMS.build(dict(own, input_size=size)).draw(np.random.RandomState([2, 1]))
        np.testing.assert_array_equal(mask, expected)
    mask = PictureLoader(cfg, 32, size=(128, 128), mask_ratio=0.25, mask_patch_size=64)(path)['data_samples'][0].mask
    assert mask.sum() == 16 * 16


def test_masks_differ_between_images_and_seeds_and_are_repeatable(cfg, tmp_path):
    path = write_picture(tmp_path / 'a.png', 128, 128)

    def mask(seed, index):
        return PictureLoader(cfg, 32, size=(128, 128), seed=seed)(path, index)['data_samples'][0].mask.numpy().tobytes()

    assert mask(0, 0) == mask(0, 0)
    assert len({mask(0, 0), mask(0, 1), mask(1, 0), mask(1, 1)}) == 4


def test_global_random_numbers_are_left_alone(cfg, tmp_path):
    path = write_picture(tmp_path / 'a.png')
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    PictureLoader(cfg, 32)(path)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize('arguments, message', [
    (dict(size=(60, 64)), '60 x 64 .* must be a multiple of 32'),
    (dict(size=(0, 64)), '0 x 64 .* must be a multiple of 32'),
    (dict(mask_ratio=1.2), 'mask_ratio must lie in'),
    (dict(mask_patch_size=6), 'must be a multiple of model_patch_size 4'),
    (dict(mask_patch_size=-16), 'sizes must be positive'),
])
def test_readable_errors_for_arguments(cfg, arguments, message):
    with pytest.raises(UserError, match=message):
        PictureLoader(cfg, 32, **arguments)


def test_no_mask_generator(cfg):
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline = loader.dataset.pipeline[:1]
    with pytest.raises(UserError, match='No mask generator'):
        PictureLoader(cfg, 32)


def test_masks_of_the_batch_and_crops_of_files(cfg, tmp_path):
    """The generator of collate_fn comes first, and a transform that reads a crop reads the whole here."""
    path = write_picture(tmp_path / 'a.png', 64, 96)
    expected = PictureLoader(cfg, 32)(path)
    loader = cfg.train_dataloader
    loader.collate_fn = dict(type='mmsimmim.collate_masked', mask=loader.dataset.pipeline[2])
    loader.dataset.pipeline = [dict(type='mmsimmim.LoadRandomResizedCrop', scale=64, max_pixels=64 * 96),
                               dict(type='mmsimmim.PackImage')]
    cfg.val_dataloader.dataset.pipeline[2].mask_ratio = 0.1
    batch = PictureLoader(cfg, 32)(path)
    assert np.array_equal(batch['inputs'], expected['inputs'])
    assert np.array_equal(batch['data_samples'][0].mask, expected['data_samples'][0].mask)
    loader.dataset.pipeline[0].max_pixels -= 1
    with pytest.raises(UserError, match='allows'):
        PictureLoader(cfg, 32)(path)


def test_mask_generator_of_another_package(cfg):
    cfg.train_dataloader.dataset.pipeline[2].type = 'SimMIMMaskGenerator'
    with pytest.raises(UserError, match='use mmsimmim.SimMIMMaskGenerator'):
        PictureLoader(cfg, 32)


def test_pipeline_inside_wrapped_datasets(cfg, tmp_path):
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[dict(type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset)])
    cfg.val_dataloader = None
    assert PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png'))['inputs'].shape == (1, 3, 64, 96)


@pytest.mark.parametrize('content', [b'', b'no image', None])
def test_unreadable_image(cfg, tmp_path, content):
    path = write_picture(tmp_path / 'a.png')
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    with pytest.raises(UserError, match='Cannot read the image .*a.png: '):
        PictureLoader(cfg, 32)(path)


def test_the_loader_of_the_pipeline_reads(cfg, tmp_path):
    cfg.train_dataloader.dataset.pipeline[0] = dict(type='LoadImageFromFile', color_type='grayscale')
    assert PictureLoader(cfg, 32)(write_picture(tmp_path / 'a.png'))['inputs'].shape == (1, 1, 64, 96)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_resize_keeps_type_and_range(dtype):
    image = np.full((31, 50, 5), 200, dtype=dtype)
    resized = resize(image, 64, 32)
    assert resized.dtype == dtype and resized.shape == (64, 32, 5)
    np.testing.assert_allclose(resized, 200, rtol=1e-6)


def test_resize_is_antialiased_as_pillows():
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(image).resize((32, 24), Image.BILINEAR)).astype(int)
    assert abs(resize(image, 24, 32).astype(int) - pillow).max() <= 1
