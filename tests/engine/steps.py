"""Training steps on samples in memory, and a watch over what makes the processor wait for the device."""

import torch
from mmengine.structures import BaseDataElement
from torch.utils._python_dispatch import TorchDispatchMode

# What gives a number, or a size, that only the device knows.
WAITING = ('_local_scalar_dense', 'is_nonzero', 'nonzero', 'masked_select', 'equal', 'unique', '_unique2')


class SyncError(AssertionError):
    """An operator made the processor wait for the device."""


class WithoutSyncs(TorchDispatchMode):
    """Raises where an operator would wait on a GPU; without one, so copies between devices are not seen."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in WAITING:
            raise SyncError(f'{func} waits for the device')
        return func(*args, **(kwargs or {}))


def make_samples(number, size=64, patch_size=4, masked_patch=16):
    """Images and masks as a pipeline packs them: uint8 (3, size, size), 60 % masked."""
    generator = torch.Generator().manual_seed(0)
    cells, repeat = size // masked_patch, masked_patch // patch_size
    samples = []
    for _ in range(number):
        image = torch.randint(256, (3, size, size), dtype=torch.uint8, generator=generator)
        mask = (torch.rand(cells, cells, generator=generator) < 0.6).to(torch.uint8)
        sample = BaseDataElement(mask=mask.repeat_interleave(repeat, 0).repeat_interleave(repeat, 1))
        samples.append(dict(inputs=image, data_samples=sample))
    return samples
