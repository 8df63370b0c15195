"""Whether a training has a step to do."""

from typing import Any

from mmengine.config import Config

from .part import Contents, Part
from .report import Section

LENGTHS = dict(max_epochs='epochs', max_iters='iterations')


def describe_length(cfg: Config) -> str:
    """Why the length of a training allows no step.

    Args:
        cfg (Config): With ``train_cfg``, if it is one of a training.

    Returns:
        str: A sentence; empty if there is no fault.
    """
    for key, what in LENGTHS.items():
        value = (cfg.get('train_cfg') or {}).get(key)
        if isinstance(value, (int, float)) and value < 1:
            return (f'train_cfg.{key} is {value}, so the training has no step and its model would be an untrained '
                    f'one. Give the number of {what}, 1 or more.')
    return ''


def describe_batches(images: int, batch_size: int, processes: int = 1) -> str:
    """Why the images fill no batch, where incomplete ones are dropped."""
    shared = f' in each of {processes} processes' if processes > 1 else ''
    return (f'the {images} images that the training has are fewer than one batch (batch_size {batch_size}{shared}), '
            'and incomplete batches are left out (drop_last=True), so there is no step. Set '
            'train_dataloader.batch_size to less, or train_dataloader.drop_last=False, or give more images.')


def describe_left_out(loader: str, images: int, batch_size: int) -> str:
    """Why the images fill no batch of an evaluation, where incomplete ones are dropped."""
    return (f'{loader}: its {images} images are fewer than one batch (batch_size {batch_size}), and incomplete batches '
            f'are left out (drop_last=True), so nothing is evaluated. Set {loader}.drop_last=False.')


def check_evaluation(cfg: Config, name: str, section: Section, part: Part, contents: Contents) -> None:
    """Report an evaluation without a batch.

    Args:
        cfg (Config): The config.
        name (str): 'val' or 'test'.
        section (Section): Gets the findings.
        part (Part): The only dataset of that loader.
        contents (Contents): What its check has read.
    """
    loader = cfg.get(f'{name}_dataloader') or {}
    images, batch_size = images_of(part, contents), loader.get('batch_size') or 1
    if loader.get('drop_last') and 0 < images < batch_size:
        section.error(describe_left_out(f'{name}_dataloader', images, batch_size))


def images_of(part: Part, contents: Contents) -> int:
    """How many images a dataset gives."""
    return len(contents.files) if part.usable is None else part.usable


def check_steps(cfg: Config, section: Section, checked: list[tuple[Part, Contents]]) -> None:
    """Report a training without a step.

    Args:
        cfg (Config): The config.
        section (Section): Gets the findings.
        checked (list[tuple[Part, Contents]]): All datasets of the training.
    """
    if text := describe_length(cfg):
        section.error(text)
    loader = cfg.get('train_dataloader') or {}
    batch_size, sampler = loader.get('batch_size'), loader.get('sampler') or {}
    if not (checked and batch_size and loader.get('drop_last')) or 'Infinite' in str(sampler.get('type')):
        return
    images = sum(images_of(part, contents) for part, contents in checked)
    images *= _repeats(loader.get('dataset'))
    if 0 < images < batch_size:
        section.error(describe_batches(images, batch_size))


def _repeats(dataset: Any) -> int:
    times = 1
    while isinstance(dataset, dict):
        times *= dataset.get('times', 1)
        dataset = dataset.get('dataset')
    return times
