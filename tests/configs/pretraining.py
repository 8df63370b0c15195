"""What the tests of pre-training configs share: images, models without memory, small runs of whole configs."""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner
from PIL import Image
from torch import nn

from mmsimmim.commands.common.runner import build_runner
from mmsimmim.registry import MODELS
from tests.configs.downstream import without_gradient

FOLDER = Path(__file__).parents[2] / 'configs' / 'pretrain'
SMALL_SWIN = dict(embed_dims=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])


def build_without_memory(config: Config) -> nn.Module:
    """The model of a config at its full size, without values."""
    init_default_scope('mmpretrain')
    with torch.device('meta'):
        return MODELS.build(config.model)


def count_parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def write_images(folder: Path) -> str:
    """Write 40 images in three folders, of which a folder-wide split leaves at least eight to training.

    Args:
        folder (Path): Where they go.

    Returns:
        str: The folder.
    """
    generator = np.random.default_rng(0)
    for i in range(40):
        (folder / f'{i % 3}').mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / f'{i % 3}' / f'{i}.png')
    return str(folder)


def shrink(config: Config, images: str, work_dir: Path, steps: int = 2) -> Config:
    """Little depth, width and data, and one short epoch or a few iterations: nothing else.

    Args:
        config (Config): Changed in place.
        images (str): Folder of the images.
        work_dir (Path): Of the run.
        steps (int): Of four images each: with two, stochastic depth can leave a branch out of a step. Defaults to 2.

    Returns:
        Config: The config.
    """
    backbone, neck = config.model.backbone, config.model.neck
    if backbone.type == 'mmsimmim.VisionTransformer':
        backbone.arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
        neck.in_channels = 16
    else:
        extra = dict(extra_norm_every_n_blocks=2) if backbone.arch in ('huge', 'giant') else {}
        backbone.arch = dict(SMALL_SWIN, **extra)
        neck.in_channels = 64
    if 'arch' in neck:
        neck.arch = SMALL_SWIN
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(batch_size=4, num_workers=0, persistent_workers=False)
        loader.dataset.data_root = images
    config.val_dataloader.dataset.indices = 4
    config.train_dataloader.dataset.indices = 4 * steps
    config.train_cfg.update({'max_epochs': 1} if 'max_epochs' in config.train_cfg else {'max_iters': steps})
    config.train_cfg.val_interval = config.train_cfg.get('max_epochs', steps)
    config.param_scheduler.update(warmup=0)
    config.work_dir = str(work_dir)
    return config


def train_and_validate(config: Config, steps: int = 2) -> Runner:
    """Run a config that :func:`shrink` has made small, and look at what every pre-training must show.

    Args:
        config (Config): Run as it is.
        steps (int): As given to :func:`shrink`. Defaults to 2.

    Returns:
        Runner: After the training.
    """
    runner = build_runner(config)
    runner.train()
    DefaultScope._instance_dict.clear()
    assert runner.iter == steps
    history = runner.message_hub.log_scalars
    assert 0 < history['train/loss'].current() < 10
    assert 0 < history['val/reconstruction/masked_loss'].current() < 10
    trained = {name for name, parameter in runner.model.named_parameters() if parameter.requires_grad}
    assert not trained & set(without_gradient(runner.model, runner.optim_wrapper.optimizer))
    pictures = list(Path(config.work_dir).glob('*/vis_data/vis_image/reconstruction_*.png'))
    assert bool(pictures) == ('reconstruction' in config.default_hooks)
    return runner
