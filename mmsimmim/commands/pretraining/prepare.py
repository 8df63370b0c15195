"""From the data and what is asked for to the config of a run."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...checkpoints.storage import check_folder
from ...errors import UserError
from ...recipes import Recipe
from .asked import asked_architecture, check_names
from .choose import options_of, this_machine
from .labelled import read_labelled
from .settle import settle
from .source import places_of, source_options, taken_back
from .start import read_start
from .summary import plan_of, read_summary, took, write_summary
from .survey import survey
from .write import NAME, as_command_line, write_config

# What of a request is given to the recipe, and what stands for what is left out.
OPTIONS_OF_RECIPE = ('img_size', 'object_size', 'epochs', 'hours', 'batch_size')
DEFAULTS = dict(devices=1, seed=0, settings={})


def prepare(out: Path, request: Mapping[str, Any]) -> Path:
    """Look at the data, choose a recipe, say both, and write the config and what is known into the folder.

    Args:
        out (Path): Folder for all results.
        request (Mapping[str, Any]): Arguments of :func:`pretrain`, None or missing where they are to be chosen.

    Returns:
        Path: The config.

    Raises:
        UserError: Something given does not work; nothing is left in ``out``.
    """
    began = time.monotonic()
    given = defaultdict(lambda: None, request)
    settings, seed = given['settings'] or {}, given['seed'] or 0
    _require_empty(out)
    machine = this_machine(1 if given['devices'] is None else given['devices'], given['precision'])
    check_names(given['arch'], settings, given['config'])
    with taken_back(out, unless=out / NAME):
        start = None if given['start_from'] is None else read_start(given['start_from'])
        found = survey(source_options(given['data'], out))
        print(*found.lines(), sep='\n')
        labelled = None if given['labelled'] is None else read_labelled(given['labelled'], found)
        encoder = asked_architecture(given['arch'], settings, found.num_training, machine.on_cpu, start)
        base = given['config'] or encoder.config

        def options(recipe: Recipe) -> dict[str, Any]:
            begun = {} if start is None else start.options(recipe)
            return {**found.options, **options_of(recipe, encoder), **begun, 'randomness.seed': seed, **settings}

        asked = dict({name: given[name] for name in OPTIONS_OF_RECIPE}, pretrained=start is not None)
        recipe, tried = settle(found, encoder, machine, asked, settings,
                               lambda recipe, folder: write_config(base, options(recipe), folder, []), began)
        last = options(recipe)
        begun = [] if start is None else [start.line(last)]
        hook, probed = (None, []) if labelled is None else labelled.plan(recipe, machine.devices, last['interval'])
        chosen = [encoder.line, *begun, *tried, *recipe.reasons, *probed,
                  *(f'WARNING: {warning}' for warning in recipe.warnings)]
        print(*chosen, sep='\n')
        write_config(base, last, out, [as_command_line(base, last), *found.lines(), *chosen],
                     [] if hook is None else [hook])
    plan = dict(plan_of(found, encoder, machine, recipe), seed=seed, request=as_json(request))
    write_summary(out, took(plan, time.monotonic() - began))
    return out / NAME


def require_request(out: Path, request: Mapping[str, Any]) -> None:
    """Refuse to resume a run with other arguments than those that it was begun with.

    Raises:
        UserError: Something is other; or there is no run.
    """
    if not (out / NAME).is_file():
        raise UserError(f'There is nothing to resume in {out}: it holds no {NAME}.')
    before = read_summary(out).get('request', {})
    for name, value in as_json(request).items():
        if value != before.get(name, DEFAULTS.get(name)):
            was = 'was left to be chosen' if before.get(name) is None else f'was {before[name]}'
            raise UserError(f'{name}={value}: in the run in {out} it {was}, and --resume (resume=True) goes on with '
                            f'that. Leave it out; or begin another run from a checkpoint of this one: --start '
                            f'{out / "train"}/iter_N.pth --out ANOTHER_FOLDER (start_from=).')


def as_json(request: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, as it comes back from ``summary.json``; places as absolute paths."""
    kept = {name: value for name, value in request.items() if value is not None}
    if 'data' in kept:
        kept['data'] = places_of(kept['data'])
    for name in ('start_from', 'labelled'):
        if name in kept:
            kept[name] = os.path.abspath(kept[name])
    return json.loads(json.dumps(kept, default=str))


def _require_empty(out: Path) -> None:
    check_folder(str(out))
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f'{out} is not empty. Give another folder, or --resume (resume=True) to go on with the run in '
                        'it.')
