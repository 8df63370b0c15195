"""The recipe for what was found on this machine, after a trial of it."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...recipes import Machine, Recipe
from .architectures import Architecture
from .asked import asked_recipe
from .choose import choose, cores
from .survey import Survey
from .trying import Trial, try_config
from .trying.trial import TrialFailed

# As if nothing limited the batch but the recipe.
ENDLESS = 2**20
# Images per second with which every budget is long enough, as if nothing limited the length but the recipe.
INSTANTLY = 1e12
ROUNDS = 4


def settle(found: Survey, architecture: Architecture, machine: Machine, asked: Mapping[str, Any],
           settings: Mapping[str, Any], write: Callable[[Recipe, Path], Path],
           began: float) -> tuple[Recipe, list[str]]:
    """Choose a recipe, try the first steps of its config, and choose again by what was seen.

    Args:
        found (Survey): The images.
        architecture (Architecture): The encoder.
        machine (Machine): The machine, as far as it is known without a trial.
        asked (Mapping[str, Any]): What a person has decided; see :func:`mmsimmim.recipes.choose_recipe`.
        settings (Mapping[str, Any]): What a person has set in the config.
        write (Callable[[Recipe, Path], Path]): Writes a recipe's config into a folder.
        began (float): ``time.monotonic()`` as the command started: a time budget counts from then on.

    Returns:
        tuple[Recipe, list[str]]: The recipe, and what there is to say about the trial.

    Raises:
        UserError: What was asked for does not go together or does not fit into the memory, or nothing is known of
            the speed on which a time budget depends.
    """
    asked, machine = asked_recipe(asked, settings, machine)
    first = _first_recipe(found, architecture, machine, asked)
    try:
        trial = _try(first, machine, write)
    except TrialFailed as failure:
        if asked.get('hours') is not None:
            raise UserError(f'{failure} So it is not known what can be done in the time: give --epochs in place of '
                            '--hours.') from failure
        return choose(found, architecture, machine, **asked), [f'WARNING: {failure} Batch and time are not tried.']
    if 'batch_size' in settings and trial.largest_batch < settings['batch_size']:
        raise UserError(f'batch_size={settings["batch_size"]}, as it was set, does not fit into the memory: '
                        f'{trial.largest_batch} images of each device do. Set it to that, or give --batch-size, '
                        'which may come in parts.')
    machine = replace(machine, start_seconds=trial.start_seconds + time.monotonic() - began,
                      largest_batch=min(trial.largest_batch, machine.largest_batch or trial.largest_batch))
    batch = min(first.device_batch, machine.largest_batch)
    for _ in range(ROUNDS):  # the batch depends on the time, and the time on the batch
        machine = replace(machine, images_per_second=trial.images_per_second(batch))
        recipe = choose(found, architecture, machine, **asked)
        if recipe.device_batch == batch:
            break
        batch = recipe.device_batch
    return recipe, trial.lines(batch)


def _first_recipe(found: Survey, architecture: Architecture, machine: Machine, asked: dict[str, Any]) -> Recipe:
    """The recipe with the largest batch that there may be in the end."""
    if not machine.on_cpu:
        machine = replace(machine, largest_batch=machine.largest_batch or ENDLESS)
    return choose(found, architecture, replace(machine, images_per_second=INSTANTLY), **asked)


def _try(recipe: Recipe, machine: Machine, write: Callable[[Recipe, Path], Path]) -> Trial:
    with tempfile.TemporaryDirectory(prefix='mmsimmim_trial_') as folder:
        config = write(recipe, Path(folder))
        return try_config(config, recipe.device_batch, machine.devices, cores(), machine.on_cpu)
