"""Pipelines from image files to a batch of pre-training, and decoders alone as their limit."""

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torchvision
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision import transforms

from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.transforms.loading.image_bytes import open_image
from mmsimmim.errors import UserError
from mmsimmim.registry import DATASETS
from tools.benchmarks.data.masks import PATCH, RATIO, TOKEN, mask_generator

BASE = Path(__file__).resolve().parents[3] / 'configs' / '_base_' / 'datasets' / 'imagenet_simmim_192.py'
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SUFFIXES = ('.jpg', '.jpeg', '.png')  # of files that all pipelines and decoders read
# From the content of a file to 8-bit colour.
DECODERS: dict[str, Callable[[bytes], Any]] = {
    'OpenCV alone': lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
    'Pillow alone': lambda data: np.asarray(open_image(io.BytesIO(data)).convert('RGB')),
    'torchvision alone': lambda data: torchvision.io.decode_image(
        torch.frombuffer(bytearray(data), dtype=torch.uint8), torchvision.io.ImageReadMode.RGB),
}

Batch = Callable[[Sequence[int], int], Any]  # indices and epoch to a batch


class OfficialImages(Dataset):
    """The pre-training data of the official implementation, written out: torchvision's transforms on Pillow's images.

    Args:
        files (Sequence[str]): Paths.
        size (int): Side of the crops, pixels.
    """

    def __init__(self, files: Sequence[str], size: int) -> None:
        self.files = files
        self.size = size
        self.transform = transforms.Compose([
            transforms.RandomResizedCrop(size, scale=(0.67, 1.0), ratio=(3 / 4, 4 / 3)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, np.ndarray]:
        with open(self.files[index], 'rb') as file:
            image = open_image(file).convert('RGB')
        return self.transform(image), self._draw_mask()

    def _draw_mask(self) -> np.ndarray:
        side = self.size // PATCH
        mask = np.zeros(side**2, dtype=int)
        mask[np.random.permutation(side**2)[:int(np.ceil(side**2 * RATIO))]] = 1
        return mask.reshape(side, side).repeat(PATCH // TOKEN, axis=0).repeat(PATCH // TOKEN, axis=1)


def our_loader(folder: str, size: int, packed: bool = False, **options: Any) -> dict:
    """Config of the data loader of this package's configs.

    Args:
        folder (str): With the images, or a file of ``PackedImageFolder``.
        size (int): Side of the crops, pixels.
        packed (bool): Whether it is such a file. Defaults to False.
        **options: Of the data loader.
    """
    loader = Config.fromfile(BASE).train_dataloader
    loader.update(options)
    loader.dataset.update(type='mmsimmim.PackedImageFolder' if packed else 'mmsimmim.ImageFolder', data_root=folder,
                          suffixes=SUFFIXES)
    loader.dataset.pipeline[0].scale = size
    loader.collate_fn.mask = mask_generator(size)
    return loader.to_dict()


def transforms_loader(folder: str, size: int, **options: Any) -> dict:
    """The same with the transforms of mmpretrain, batches being ours."""
    loader = our_loader(folder, size, **options)
    loader['dataset']['pipeline'] = [dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadImage'),
                                     *_transforms(size, 'pillow', mask_generator(size))]
    loader['collate_fn'].pop('mask')
    return loader


def mmpretrain_loader(folder: str, size: int, backend: str, **options: Any) -> dict:
    """The data loader of mmpretrain's own SimMIM configs; their backend is cv2, which is not antialiased."""
    loader = dict(
        collate_fn=dict(type='default_collate'), sampler=dict(type='InfiniteSampler', shuffle=True),
        dataset=dict(
            type='mmpretrain.CustomDataset', data_prefix=folder, with_label=False, extensions=SUFFIXES, pipeline=[
                dict(type='LoadImageFromFile'), *_transforms(size, backend, mask_generator(size, 'mmpretrain'))]))
    return {**loader, **options}


def _transforms(size: int, backend: str, mask: dict) -> list[dict]:
    return [dict(type='mmpretrain.RandomResizedCrop', scale=size, crop_ratio_range=(0.67, 1.0), backend=backend,
                 interpolation='bilinear'),
            dict(type='RandomFlip', prob=0.5), mask, dict(type='mmpretrain.PackInputs')]


def loaders(folder: str, size: int, packed: str | None) -> dict[str, Callable[..., dict]]:
    """Makers of loader configs by name, to be called with the loader's options."""
    ours = {'ours': lambda **options: our_loader(folder, size, **options)}
    if packed:
        ours['ours, packed'] = lambda **options: our_loader(packed, size, packed=True, **options)
    return {
        **ours,
        "ours, mmpretrain's transforms": lambda **options: transforms_loader(folder, size, **options),
        'mmpretrain, pillow': lambda **options: mmpretrain_loader(folder, size, 'pillow', **options),
        'mmpretrain, cv2': lambda **options: mmpretrain_loader(folder, size, 'cv2', **options),
    }


def batch_maker(way: str, loader: dict, images: int) -> Batch:
    """One process's share of a loader's work, without the loader: read, transform, collate.

    Args:
        way (str): Its name.
        loader (dict): Config of the loader.
        images (int): How many there must be in its dataset.

    Raises:
        UserError: There are more or fewer.
    """
    config = loader['dataset']
    dataset = DATASETS.build(config)
    dataset.full_init()
    if len(dataset) != images:
        raise UserError(f'{way}: {config.get("data_root") or config["data_prefix"]} gives {len(dataset)} images, where '
                        f'{images} are compared. All pipelines must have the same ones: --packed takes a copy of DIR.')
    collate = dict(loader['collate_fn'])
    collate_fn = FUNCTIONS.get(collate.pop('type'))
    return lambda indices, epoch: collate_fn(
        [dataset[SampleIndex(i, key=(0, epoch, i))] for i in indices], **collate)


def official_batch(files: Sequence[str], size: int) -> Batch:
    """The same of the official pipeline."""
    dataset = OfficialImages(files, size)
    return lambda indices, epoch: default_collate([dataset[i] for i in indices])


def official_loader(files: Sequence[str], size: int, **options: Any) -> DataLoader:
    """PyTorch's data loader of the official pipeline."""
    dataset = OfficialImages(files, size)
    return DataLoader(dataset, sampler=InfiniteSampler(dataset, shuffle=True), collate_fn=default_collate, **options)


def build_loader(loader: dict) -> DataLoader:
    """A loader as MMEngine's Runner builds it."""
    return Runner.build_dataloader(loader, seed=0)


def decoders(files: Sequence[str]) -> dict[str, Batch]:
    """Decoders alone, of files that are in memory, to 8-bit colour."""
    content = [Path(file).read_bytes() for file in files]
    return {name: (lambda indices, epoch, decode=decode: [decode(content[i]) for i in indices])
            for name, decode in DECODERS.items()}


def use_one_thread() -> None:
    """For this process, as for a worker of a data loader."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    os.environ['OMP_NUM_THREADS'] = '1'
