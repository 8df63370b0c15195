"""Features of whole images from a frozen model."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.dist import all_gather, get_world_size
from torch import Tensor, nn


@torch.no_grad()
def extract_features(model: nn.Module, preprocessor: nn.Module, batches: Iterable[dict],
                     out_index: int = -1) -> tuple[Tensor, Tensor]:
    """Features and labels of a dataset, in evaluation mode and without a mask.

    The mode of every module is afterwards what it was, so that neither weights nor running statistics change.

    Args:
        model (nn.Module): Called with normalised images and ``mode='tensor'``; gives a tuple of maps.
        preprocessor (nn.Module): Its data preprocessor.
        batches (Iterable[dict]): What a data loader gives: ``inputs``, images of shape (B, C, H, W), and
            ``data_samples`` with ``gt_label``.
        out_index (int): Which of the model's maps. Defaults to -1, the last.

    Returns:
        tuple[Tensor, Tensor]: Features, float32 (float64 for a model in it), shape (N, C), and labels, int64, shape
        (N, ), both on the model's device.
    """
    features, labels = [], []
    with evaluation_mode(model):
        for batch in batches:
            data = preprocessor(batch, False)
            features.append(average_map(model(data['inputs'], mode='tensor'), out_index))
            labels.extend(sample.gt_label for sample in data['data_samples'])
    features = torch.cat(features)
    return features, torch.cat(labels).to(features.device)


def average_map(maps: Sequence[Tensor], out_index: int = -1) -> Tensor:
    """One feature per image: a map (B, C, H, W) averaged over its positions; (B, C) as it is.

    Args:
        maps (Sequence[Tensor]): What an encoder gives.
        out_index (int): Which of them. Defaults to -1, the last.

    Returns:
        Tensor: Shape (B, C), float32, or float64 where the map is.

    Raises:
        ValueError: If there is no such map, or it has another number of dimensions.
    """
    if not -len(maps) <= out_index < len(maps):
        raise ValueError(f'out_index {out_index}: the encoder gives {len(maps)} map(s); set out_indices of the '
                         'backbone to get more')
    chosen = maps[out_index]
    if chosen.ndim not in (2, 4):
        raise ValueError(f'features are averaged from maps of shape (B, C, H, W) or taken as (B, C); output '
                         f'{out_index} of the encoder has the shape {tuple(chosen.shape)}')
    chosen = chosen if chosen.dtype == torch.float64 else chosen.float()
    return chosen.mean(dim=(2, 3)) if chosen.ndim == 4 else chosen


def without_masks(pipeline: Sequence[dict]) -> list[dict]:
    """The transforms of a pipeline without the mask generators."""
    return [step for step in pipeline if not step['type'].endswith('MaskGenerator')]


def gather_in_order(own: Tensor, size: int) -> Tensor:
    """Join the rows of all processes, which a sampler of MMEngine has dealt out in turn.

    Args:
        own (Tensor): Rows of this process, shape (n, ...), n the same in all processes.
        size (int): Samples in the dataset; what the sampler repeated beyond them is cut off.

    Returns:
        Tensor: Shape (size, ...), in the order of the dataset, on every process.
    """
    if get_world_size() == 1:
        return own[:size]
    return torch.stack(all_gather(own.contiguous()), dim=1).flatten(0, 1)[:size]


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode; the mode of every module is afterwards what it was.

    Args:
        model (nn.Module): The model.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        # One by one: train() of a model would also change modules that it keeps in evaluation mode.
        for module, training in modes:
            module.training = training
