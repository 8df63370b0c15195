"""Held-out loss of the pre-trained model, compared with untrained baselines."""
from collections.abc import Callable

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, load_checkpoint
from torch import Tensor

import mmsimmim  # noqa: F401
from mmsimmim.models import SimMIM
from mmsimmim.models.simmim import stack_masks
from mmsimmim.registry import DATASETS, MODELS


def held_out_losses(config: str, checkpoint: str) -> dict[str, float]:
    """Mean masked loss over the validation images, the same images and masks for all.

    Args:
        config (str): Config of the pre-training.
        checkpoint (str): Its checkpoint.

    Returns:
        dict[str, float]: For the pre-trained model, for the same network with random weights, for predicting the mean
        colour of the training images, and for predicting the mean colour of what is visible of each image.
    """
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        torch.manual_seed(0)
        model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor}).to(get_device()).eval()
        loader = Runner.build_dataloader({**cfg.val_dataloader, 'pin_memory': torch.cuda.is_available()}, seed=0)
        colour = mean_colour(cfg, model)

    losses = {
        'untrained network': mean_loss(model, loader, model.reconstruct),
        'mean colour of the training images': mean_loss(model, loader, lambda images, mask: colour.expand_as(images)),
        'mean colour of the visible pixels': mean_loss(model, loader, visible_mean),
    }
    load_checkpoint(model, str(checkpoint), map_location='cpu', strict=True, logger='silent')
    return {'SimMIM pre-trained': mean_loss(model, loader, model.reconstruct), **losses}


@torch.no_grad()
def mean_loss(model: SimMIM, loader, predict: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Mean over images of the pre-training loss of a prediction.

    Args:
        model (SimMIM): Gives normalisation, target and loss.
        loader (DataLoader): Validation images with their masks.
        predict (Callable): Normalised images (B, C, H, W) and masks (B, h, w) to predictions (B, C, H, W).
    """
    losses = []
    for batch in loader:
        data = model.data_preprocessor(batch, False)
        images, mask = data['inputs'], stack_masks(data['data_samples'], data['inputs'].device)
        prediction, target = predict(images, mask), model.target(images)
        losses += [model.head.loss(p[None], t[None], m[None]).item() for p, t, m in zip(prediction, target, mask)]
    return sum(losses) / len(losses)


def mean_colour(cfg: Config, model: SimMIM) -> Tensor:
    """Normalised mean colour of all training pixels, shape (1, C, 1, 1)."""
    folder = DATASETS.build(
        dict(
            type='mmsimmim.ImageFolder',
            data_root=cfg.train_dataloader.dataset.data_root,
            pipeline=[dict(type='mmsimmim.LoadImage'), dict(type='PackInputs')]))
    total = torch.zeros(3, dtype=torch.float64)
    pixels = 0
    for sample in folder:
        total += sample['inputs'].double().sum((1, 2))
        pixels += sample['inputs'][0].numel()
    colour = (total / pixels).float().view(1, 3, 1, 1)
    return model.data_preprocessor(dict(inputs=colour, data_samples=[]), False)['inputs']


def visible_mean(images: Tensor, mask: Tensor) -> Tensor:
    """Each image filled with the mean colour of its visible pixels: (B, C, H, W) and (B, h, w) to (B, C, H, W)."""
    visible = torch.nn.functional.interpolate(1 - mask[:, None].to(images), images.shape[-2:], mode='nearest')
    colour = (images * visible).sum((2, 3), keepdim=True) / visible.sum((2, 3), keepdim=True)
    return colour.expand_as(images)
