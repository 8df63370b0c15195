"""The data preprocessor gives mmpretrain's values, bit for bit."""

import pytest
import torch
from mmpretrain.models import SelfSupDataPreprocessor

from mmsimmim.datasets import MaskedBatch
from mmsimmim.models import SimMIMDataPreprocessor

STATISTICS = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
IMAGES = torch.randint(256, (4, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('arguments', [
    dict(STATISTICS, bgr_to_rgb=True), STATISTICS, dict(STATISTICS, rgb_to_bgr=True), dict(bgr_to_rgb=True), {},
    dict(mean=[33.0] * 3, std=[25.0] * 3, bgr_to_rgb=True)])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_same_values_as_mmpretrains(arguments, memory_format):
    images = IMAGES.to(memory_format=memory_format)
    samples = [object()] * 4
    theirs = SelfSupDataPreprocessor(**arguments)(dict(inputs=IMAGES, data_samples=None))
    ours = SimMIMDataPreprocessor(**arguments)(dict(inputs=images, data_samples=samples))
    assert torch.equal(ours['inputs'], theirs['inputs']) and ours['inputs'].dtype == torch.float32
    assert ours['inputs'].is_contiguous() and ours['data_samples'] == samples
    assert torch.equal(images, IMAGES), 'the batch itself is left as it is'


def test_a_list_of_images_is_stacked():
    preprocessor = SimMIMDataPreprocessor(**STATISTICS)
    assert torch.equal(preprocessor(dict(inputs=list(IMAGES)))['inputs'], preprocessor(dict(inputs=IMAGES))['inputs'])


def test_images_of_one_channel_keep_it():
    preprocessor = SimMIMDataPreprocessor(mean=[100.0], std=[50.0], bgr_to_rgb=True)
    grey = preprocessor(dict(inputs=IMAGES[:, :1]))['inputs']
    assert torch.equal(grey, (IMAGES[:, :1].float() - 100) / 50)


def test_images_and_masks_go_to_the_device_without_waiting(monkeypatch):
    waits = []
    to = torch.Tensor.to

    def watch(tensor, *args, **kwargs):
        if args and isinstance(args[0], torch.device):
            waits.append(not kwargs.get('non_blocking'))
        return to(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, 'to', watch)
    batch = MaskedBatch(mask=torch.ones(4, 5, 5, dtype=torch.uint8))
    data = SimMIMDataPreprocessor(**STATISTICS)(dict(inputs=IMAGES, data_samples=batch))
    assert waits == [False, False] and torch.equal(data['data_samples'].mask, batch.mask)
