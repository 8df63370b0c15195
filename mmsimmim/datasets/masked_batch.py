"""A batch of pre-training: one tensor of images, one of masks."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import default_collate

from ..errors import UserError
from ..registry import FUNCTIONS, TRANSFORMS
from .seeding import key_of


class MaskedBatch(BaseDataElement):
    """The masks of a batch, and the meta information of its images.

    It replaces a list of data samples, each of which would send its own tensor from process to process
    and to the device.

    Attributes:
        mask (Tensor): uint8, shape (B, h, w), 1 = masked.
        img_path (list[str | None]): Files; meta information, as the others.
        sample_idx (list[int | None]): Indices into the dataset.
        skipped_files (dict[str, str]): Reasons for files that could not be read, if there are any.
    """

    def pin_memory(self) -> 'MaskedBatch':
        """The same in pinned memory: PyTorch's data loader calls this for ``pin_memory=True``."""
        return self.new(**{name: value.pin_memory() for name, value in self.items()})


@FUNCTIONS.register_module()
def collate_masked(samples: Sequence[dict[str, Any]], mask: dict | None = None) -> dict[str, Any]:
    """Join samples into one tensor of images and one of masks; in a worker process both lie in shared memory.

    Args:
        samples (Sequence[dict]): Packed by :class:`PackImage` or mmpretrain's ``PackInputs``.
        mask (dict, optional): Config of a :class:`MaskGenerator` that draws all masks at once, each as a function of
            the key of its sample (the run's seed, the epoch, the index), whatever else is in the batch. Defaults to
            None: the samples bring their masks, from a generator in the pipeline.

    Returns:
        dict: ``inputs``, uint8, (B, C, H, W), in the memory format of the samples, and ``data_samples``, a
        :class:`MaskedBatch`.

    Raises:
        UserError: Masks are drawn twice or not at all, or the generator has a seed of its own.
        TypeError: A mask is to be drawn, but the sampler gives no keys.

    Examples:
        >>> collate_fn = dict(type='mmsimmim.collate_masked', mask=dict(type='mmsimmim.SimMIMMaskGenerator'))
    """
    elements = [sample['data_samples'] for sample in samples]
    _check(elements, mask)
    masks = _draw(elements, mask) if mask else default_collate([element.mask for element in elements])
    return dict(inputs=_join([sample['inputs'] for sample in samples]), data_samples=_describe(masks, elements))


def _check(elements: Sequence[BaseDataElement], mask: dict | None) -> None:
    brought = sum('mask' in element for element in elements)
    if mask and brought:
        raise UserError('collate_masked draws the masks, but the pipeline has a mask generator as well: take it out of '
                        'the pipeline, or mask out of collate_fn.')
    if not mask and brought < len(elements):
        raise UserError('collate_masked has no masks to collate: give it mask=dict(type=...), the mask generator, or '
                        'put that before the packing transform of the pipeline.')
    if mask and mask.get('seed') is not None:
        raise UserError('collate_masked draws masks from the keys of the samples: a mask generator with a seed, for '
                        'validation, belongs into the pipeline.')


def _draw(elements: Sequence[BaseDataElement], mask: dict) -> Tensor:
    generator = TRANSFORMS.build(dict(mask))
    keys = [key_of(dict(sample_idx=element.get('sample_idx')), 'collate_masked') for element in elements]
    return _shared(torch.from_numpy(generator.draw_batch(keys)))


def _shared(tensor: Tensor) -> Tensor:
    """Moved to shared memory, if this is a worker process, so that sending it costs no copy."""
    return tensor.share_memory_() if torch.utils.data.get_worker_info() is not None else tensor


def _join(images: Sequence[Tensor]) -> Tensor:
    """Stack in channels_last order, as transposing each image takes longer than a copy."""
    if images[0].is_contiguous():
        return default_collate(images)
    return default_collate([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)


def _describe(masks: Tensor, elements: Sequence[BaseDataElement]) -> MaskedBatch:
    indices = [element.get('sample_idx') for element in elements]
    about = dict(img_path=[element.get('img_path') for element in elements],
                 sample_idx=[None if index is None else int(index) for index in indices])
    skipped = {path: reason for element in elements for path, reason in element.get('skipped_files', {}).items()}
    return MaskedBatch(mask=masks, metainfo=about | (dict(skipped_files=skipped) if skipped else {}))
