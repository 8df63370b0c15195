"""The options of a run's config: a recipe for what was found, on this machine."""

import os
from typing import Any

from ...errors import UserError
from ...recipes import Machine, Recipe, choose_recipe
from .architectures import Architecture
from .survey import Survey

# Checkpoints, validations and pictures in a run.
MOMENTS = 10


def choose(found: Survey, architecture: Architecture, machine: Machine, max_iters: int | None = None,
           **asked: Any) -> Recipe:
    """The recipe for what was found.

    Args:
        found (Survey): The images.
        architecture (Architecture): The encoder.
        machine (Machine): The machine.
        max_iters (int, optional): Iterations of the run, where they are given: of a step there may be several.
        **asked (Any): What a person has decided; see :func:`mmsimmim.recipes.choose_recipe`.

    Returns:
        Recipe: All of it.

    Raises:
        UserError: What was asked for does not go together.
    """
    sizes = [(height, width) for width, height in found.sizes]
    if max_iters is None:
        return choose_recipe(found.num_training, sizes, architecture.encoder, machine, **asked)
    steps, recipe = max_iters, None
    while recipe is None or steps < recipe.steps:
        recipe = choose_recipe(found.num_training, sizes, architecture.encoder, machine, steps=steps, **asked)
        steps = max(1, max_iters // recipe.accumulation)
    return recipe


def options_of(recipe: Recipe, architecture: Architecture) -> dict[str, Any]:
    """A recipe as variables of the config that :attr:`Architecture.config` names.

    Args:
        recipe (Recipe): The recipe.
        architecture (Architecture): The encoder.
    """
    options = dict(
        **architecture.options,
        img_size=recipe.img_size,
        mask_patch_size=recipe.mask_patch_size,
        mask_ratio=recipe.mask_ratio,
        crop_ratio_range=recipe.crop_ratio_range,
        batch_size=recipe.device_batch,
        accumulative_counts=recipe.accumulation,
        num_workers=num_workers(),
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        clip_grad=recipe.clip_grad,
        drop_path_rate=recipe.drop_path_rate,
        precision=recipe.precision,
        max_iters=recipe.max_iters,
        warmup=recipe.warmup_iters,
        interval=max(recipe.accumulation, recipe.max_iters // MOMENTS))
    if recipe.milestone_iters is not None:
        options['milestone'] = recipe.milestone_iters
    if recipe.window_size is not None:
        options['window_size'] = recipe.window_size
    return options


def this_machine(devices: int, precision: str | None) -> Machine:
    """The machine, as far as it is known without a trial.

    Raises:
        UserError: It has fewer devices.
    """
    from mmengine.device import get_device
    device = get_device()
    _require_devices(device, devices)
    return Machine(device, devices, max(1, cores() // devices), precision=precision)


def _require_devices(device: str, devices: int) -> None:
    import torch
    there, what = 1, f'one {device} device'
    if device == 'cpu':
        there, what = cores(), f'no GPU, and {cores()} core{"s" * (cores() > 1)} for processes'
    elif device == 'cuda':
        there = torch.cuda.device_count()
        what = f'{there} GPU{"s" * (there > 1)}'
    if not 1 <= devices <= there:
        raise UserError(f'--devices {devices}: this machine has {what}. Give a number from 1 to {there}.')


def num_workers() -> int:
    """Processes that read images, for each process of the training."""
    return min(4, cores() - 1)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
