"""Length, rate, batch and masks of a run, from what was found and what a person asked for."""

import os
from typing import Any, NamedTuple

from .architectures import Architecture
from .survey import Survey


class Choice(NamedTuple):
    """What a run is to be.

    Attributes:
        options (dict[str, Any]): For the config, as ``--cfg-options`` take them.
        max_iters (int): Iterations.
        batch_size (int): Images of an iteration, of all processes.
        reasons (list[str]): What was chosen and why, three lines.
        warnings (list[str]): Why it may not work.
    """

    options: dict[str, Any]
    max_iters: int
    batch_size: int
    reasons: list[str]
    warnings: list[str]


def choose(found: Survey, architecture: Architecture, img_size: int | None, epochs: float | None,
           batch_size: int | None, devices: int) -> Choice:
    """Choose what was not asked for."""
    img_size = img_size or 192
    batch_size = batch_size or min(64, found.num_training)
    steps_per_epoch = max(1, found.num_training // (batch_size * devices))
    max_iters = round(epochs * steps_per_epoch) if epochs else 2000
    patch = max(architecture.stride, 32)
    options = dict(
        arch=architecture.arch,
        in_channels=architecture.channels,
        img_size=img_size,
        mask_patch_size=patch,
        model_patch_size=architecture.patch_size,
        batch_size=batch_size,
        num_workers=min(4, os.cpu_count() or 1),
        lr=1e-3,
        max_iters=max_iters,
        warmup=max(1, max_iters // 10),
        interval=max(1, max_iters // 10))
    if architecture.family != 'vit':
        options['window_size'] = img_size // 32
    return Choice(options, max_iters, batch_size * devices, ['provisional'] * 3, [])
