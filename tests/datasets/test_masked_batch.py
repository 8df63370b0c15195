"""A batch of pre-training: two tensors, the same for any loader, with what hooks want to know."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.model import BaseDataPreprocessor
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmsimmim.datasets import MaskedBatch, PackImage, SimMIMMaskGenerator, collate_masked
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.errors import UserError

MASK = dict(type='mmsimmim.SimMIMMaskGenerator', input_size=32, mask_patch_size=8, model_patch_size=4)
FAST = [dict(type='mmsimmim.LoadRandomResizedCrop', scale=32, flip_prob=0.5), dict(type='mmsimmim.PackImage')]
SLOW = [dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadImage'),
        dict(type='mmpretrain.RandomResizedCrop', scale=32), dict(type='mmsimmim.SimMIMMaskGenerator', **{
            key: value for key, value in MASK.items() if key != 'type'}), dict(type='mmpretrain.PackInputs')]


def sample(index=0, epoch=0, mask=None, key=True):
    image = np.random.default_rng(index).integers(0, 256, (32, 32, 3), np.uint8)
    idx = SampleIndex(index, key=(0, epoch, index)) if key else index
    results = dict(img=image, img_path=f'{index}.jpg', sample_idx=idx) | (dict(mask=mask) if mask is not None else {})
    return PackImage()(results)


def read(root, seed=0, epoch=0, pipeline=FAST, mask=MASK, **loader):
    """{index: (image, mask)} and the batches of an epoch, through MMEngine's data loader."""
    init_default_scope('mmpretrain')
    dataloader = Runner.build_dataloader(dict(
        dataset=dict(type='mmsimmim.ImageFolder', data_root=str(root), pipeline=pipeline),
        sampler=dict(type='mmsimmim.SeededSampler', shuffle=True),
        collate_fn=dict(type='mmsimmim.collate_masked', **(dict(mask=mask) if mask else {})),
        **{**dict(batch_size=4, num_workers=0), **loader}), seed=seed)
    dataloader.sampler.set_epoch(epoch)
    batches = list(dataloader)
    return {index: (image.numpy().tobytes(), mask.numpy().tobytes()) for batch in batches for index, image, mask in
            zip(batch['data_samples'].sample_idx, batch['inputs'], batch['data_samples'].mask)}, batches


def test_images_and_masks_are_one_tensor_each():
    batch = collate_masked([sample(index) for index in range(3)], MASK)
    assert batch['inputs'].shape == (3, 3, 32, 32) and batch['inputs'].dtype == torch.uint8
    for index, image in enumerate(batch['inputs']):
        assert torch.equal(image, sample(index)['inputs'])
    about = batch['data_samples']
    assert type(about) is MaskedBatch and about.mask.shape == (3, 8, 8) and about.mask.dtype == torch.uint8
    assert about.img_path == ['0.jpg', '1.jpg', '2.jpg'] and about.sample_idx == [0, 1, 2]
    assert 'skipped_files' not in about
    assert np.array_equal(about.mask, SimMIMMaskGenerator(32, 8, 4).draw_batch([(0, 0, index) for index in range(3)]))


def test_no_pixel_is_copied_but_into_the_batch():
    image = np.zeros((32, 32, 3), np.uint8)
    packed = PackImage()(dict(img=image))
    image[0, 0, 0] = 9
    assert packed['inputs'][0, 0, 0] == 9
    assert collate_masked([sample()], MASK)['inputs'].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('loader', [dict(num_workers=2), dict(batch_size=5), dict(num_workers=1, batch_size=3)])
def test_images_and_masks_are_the_same_for_any_loader(folder, loader):
    expected, _ = read(folder)
    found, batches = read(folder, **loader)
    assert found == expected and len(found) == 12
    if loader.get('num_workers'):
        assert all(batch['inputs'].is_shared() and batch['data_samples'].mask.is_shared() for batch in batches)


def test_images_and_masks_differ_between_epochs_seeds_and_samples(folder):
    runs = [read(folder)[0], read(folder, epoch=1)[0], read(folder, seed=1)[0]]
    assert len({image for run in runs for image, _ in run.values()}) == 36
    # 2 ** 12.97 masks of 10 in 16 patches: some may well be drawn twice
    assert len({mask for run in runs for _, mask in run.values()}) > 30


def test_transforms_of_mmpretrain_serve_as_before(folder):
    found, batches = read(folder, pipeline=SLOW, mask=None)
    assert len(found) == 12 and batches[0]['inputs'].is_contiguous()
    assert all((batch['data_samples'].mask.flatten(1).sum(1) == 10 * 4).all() for batch in batches)
    again, _ = read(folder, pipeline=SLOW[:3] + SLOW[4:])
    assert {index: image for index, (image, _) in found.items()} == {
        index: image for index, (image, _) in again.items()}


def test_packed_samples_go_into_a_list_as_well():
    mask = SimMIMMaskGenerator(32, 8, 4).draw(np.random)
    batch = default_collate([sample(0, mask=mask), sample(1, mask=mask)])
    assert batch['inputs'].shape == (2, 3, 32, 32)
    assert [one.img_path for one in batch['data_samples']] == ['0.jpg', '1.jpg']
    assert np.array_equal(batch['data_samples'][1].mask, mask)


@pytest.mark.parametrize('loader', [dict(num_workers=0), dict(num_workers=1)])
def test_files_that_cannot_be_read_are_told(folder, loader):
    (folder / 'a' / '1.png').write_bytes(b'no image')
    for pipeline, mask in ((FAST, MASK), (SLOW, None)):
        _, batches = read(folder, pipeline=pipeline, mask=mask, **loader)
        told = [batch['data_samples'].get('skipped_files') for batch in batches]
        assert [one for one in told if one] == [{'a/1.png': 'not an image'}]


def test_a_sample_that_stands_in_has_a_mask_of_its_own():
    one, other = sample(1), sample(1)
    other['data_samples'].set_field(SampleIndex(1, key=(0, 0, 5, 1)), 'sample_idx', field_type='metainfo')
    masks = collate_masked([one, other], MASK)['data_samples'].mask
    assert not torch.equal(*masks)


def test_it_moves_and_travels_as_a_whole(monkeypatch):
    batch = collate_masked([sample(0), sample(1)], MASK)['data_samples']
    moved = BaseDataPreprocessor().to('meta').cast_data(batch)
    assert type(moved) is MaskedBatch and moved.img_path == batch.img_path and moved.mask.is_meta
    back = pickle.loads(pickle.dumps(batch))
    assert torch.equal(back.mask, batch.mask) and back.sample_idx == [0, 1]
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda tensor, *device: tensor + 1)
    pinned = torch.utils.data._utils.pin_memory.pin_memory(dict(inputs=torch.zeros(1), data_samples=batch))
    assert torch.equal(pinned['data_samples'].mask, batch.mask + 1) and pinned['inputs'] == 1
    assert pinned['data_samples'].img_path == batch.img_path and type(pinned['data_samples']) is MaskedBatch


def test_masks_twice_or_not_at_all_are_refused():
    mask = np.zeros((8, 8), np.uint8)
    with pytest.raises(UserError, match='take it out of the pipeline'):
        collate_masked([sample(mask=mask)], MASK)
    with pytest.raises(UserError, match='no masks to collate'):
        collate_masked([sample(), sample(mask=mask)])
    with pytest.raises(UserError, match='with a seed'):
        collate_masked([sample()], dict(MASK, seed=0))
    with pytest.raises(TypeError, match='collate_masked got an index without the epoch'):
        collate_masked([sample(key=False)], MASK)
