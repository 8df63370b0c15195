"""The trainings that are killed: each kind of loop, of data workers, and of state that a checkpoint has to hold."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np


class SetUp(NamedTuple):
    """A training.

    Attributes:
        name (str): Of the set-up.
        options (list[str]): Of ``--cfg-options``.
        steps (int): Of the whole training.
        interval (int): Steps between two checkpoints.
        processes (int): Their number.
    """

    name: str
    options: list[str]
    steps: int
    interval: int
    processes: int = 1


# With the images below an epoch has six steps.
BATCH = 4
EPOCHS, STEPS, INTERVAL = 4, 24, 6

BEST = ['default_hooks.checkpoint.save_best=reconstruction/masked_loss', 'default_hooks.checkpoint.rule=less']
EMA = ['default_hooks.ema.type=mmsimmim.EMAHook', 'default_hooks.ema.momentum=0.1']
ENDLESS = ['train_dataloader.sampler.type=mmsimmim.SeededInfiniteSampler']


def workers(number: int, persistent: bool = False) -> list[str]:
    return [f'train_dataloader.num_workers={number}', f'train_dataloader.persistent_workers={persistent}',
            f'val_dataloader.num_workers={number}', f'val_dataloader.persistent_workers={persistent}']


def iterations(loop: str, interval: int) -> list[str]:
    return [*ENDLESS, 'train_cfg._delete_=True', f'train_cfg.type={loop}', f'train_cfg.max_iters={STEPS}',
            'train_cfg.val_interval=7', 'param_scheduler.convert_to_iter_based=False', 'param_scheduler.by_epoch=False',
            f'param_scheduler.end={STEPS}', 'default_hooks.checkpoint.by_epoch=False',
            f'default_hooks.checkpoint.interval={interval}']


def accumulated(number: int) -> list[str]:
    return [f'optim_wrapper.accumulative_counts={number}']


SETUPS = [
    SetUp('epochs, no worker', workers(0) + BEST, STEPS, INTERVAL),
    SetUp('epochs, 2 workers', workers(2), STEPS, INTERVAL),
    SetUp('epochs, 2 persistent workers, EMA, best kept', workers(2, True) + EMA + BEST, STEPS, INTERVAL),
    SetUp('epochs, 2 steps accumulated, EMA', workers(0) + accumulated(2) + EMA, STEPS, INTERVAL),
    SetUp('epochs, 4 steps accumulated across them', workers(0) + accumulated(4), STEPS, INTERVAL),
    SetUp("iterations, MMEngine's loop, no worker", workers(0) + iterations('IterBasedTrainLoop', 5), STEPS, 5),
    SetUp("iterations, MMEngine's loop, 2 workers", workers(2) + iterations('IterBasedTrainLoop', 5), STEPS, 5),
    SetUp('iterations, no worker, EMA, best kept',
          workers(0) + iterations('mmsimmim.IterBasedTrainLoop', 5) + EMA + BEST, STEPS, 5),
    SetUp('iterations, 2 persistent workers, 2 steps accumulated',
          workers(2, True) + iterations('mmsimmim.IterBasedTrainLoop', 4) + accumulated(2), STEPS, 4),
    SetUp('epochs, 2 processes, EMA', workers(0) + EMA + ['train_dataloader.batch_size=2'], STEPS, INTERVAL, 2),
    SetUp('iterations, 2 processes with a worker each, best kept',
          workers(0) + ['train_dataloader.num_workers=1'] + iterations('mmsimmim.IterBasedTrainLoop', 5) + BEST +
          ['train_dataloader.batch_size=2'],
          STEPS, 5, 2),
]


def draw_images(folder: Path) -> None:
    """Images of which enough fall to training for six steps, and a file that is none."""
    folder.mkdir()
    for seed in range(26):
        coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{seed}.png'), cv2.resize(coarse, (64, 48)))
    (folder / 'broken.jpg').write_text('no image')


def arguments(setup: SetUp, config: Path, images: Path, work_dir: Path, resume: bool) -> list[str]:
    """Of ``tools/train.py``."""
    roots = [f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')]
    return [str(config), '--work-dir', str(work_dir), *(['--resume'] if resume else []), '--cfg-options', *roots,
            f'train_dataloader.batch_size={BATCH}', *setup.options]
