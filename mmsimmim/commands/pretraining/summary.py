"""``summary.json``: what was found, chosen and reached, for programs."""

import json
import math
import os
import statistics
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ... import __version__
from ...checkpoints.storage import writing
from ...errors import UserError
from ...json_text import parse_json
from ...recipes import Machine, Recipe
from ...recipes.whole import is_whole
from ...visualization.training_log import read_training
from .architectures import Architecture
from .live import HELD_OUT
from .survey import Survey

NAME = 'summary.json'
OPENMMLAB = ('mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmsegmentation')
PACKAGES = ('torch', 'torchvision', *OPENMMLAB, *(f'onedl-{name}' for name in OPENMMLAB), 'mmcv-lite', 'timm',
            'transformers')


def plan_of(found: Survey, encoder: Architecture, machine: Machine, recipe: Recipe) -> dict[str, Any]:
    """What is known before the first step.

    Args:
        found (Survey): The data.
        encoder (Architecture): The encoder.
        machine (Machine): The machine.
        recipe (Recipe): All that was chosen.
    """
    widths, heights = zip(*found.sizes)
    return dict(
        version=__version__,
        packages={name: known for name in PACKAGES if (known := _version(name))},
        data=dict(
            root=found.options['data_root'], list_file=found.options.get('list_file'), images=found.num_images,
            training=found.num_training, held_out=found.num_images - found.num_training, looked_at=found.looked_at,
            width=[min(widths), max(widths)], height=[min(heights), max(heights)], formats=found.formats,
            unreadable=found.unreadable, copies=found.copies),
        encoder=dict(name=encoder.name, parameters=encoder.encoder.parameters),
        machine=dict(device=machine.device, devices=machine.devices),
        recipe=recipe.to_dict())


def reached(work_dir: Path, batch_size: int) -> dict[str, Any]:
    """Losses and speed of a run.

    Args:
        work_dir (Path): Its work folder.
        batch_size (int): Images of an iteration, of all processes.
    """
    records = read_training(str(work_dir)).records
    steps = [values for _, values in records if 'loss' in values]
    held_out = [values[HELD_OUT] for _, values in records if HELD_OUT in values]
    times = [values['time'] for values in steps[1:] or steps if 'time' in values]
    return dict(
        first_loss=steps[0]['loss'] if steps else None,
        last_loss=steps[-1]['loss'] if steps else None,
        held_out_loss=held_out[-1] if held_out else None,
        best_held_out_loss=min(held_out, default=None),
        images_seen=batch_size * max((at for at, values in records if 'loss' in values), default=0),
        images_per_second=batch_size / statistics.median(times) if times and statistics.median(times) else None)


def took(summary: dict[str, Any], seconds: float, *also: str) -> dict[str, Any]:
    """The summary after some more ``seconds`` of the whole, and of what is named."""
    return {**summary, **{name: summary.get(name, 0) + seconds for name in ('seconds', *also)}}


def write_summary(out: Path, content: dict[str, Any]) -> Path:
    """Write ``summary.json``, whose numbers are finite: of others stands null."""
    path = out / NAME
    temporary = f'{path}.tmp'
    with writing(str(path), temporary):
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_finite(content), indent=1, allow_nan=False)
        Path(temporary).write_text(f'{text}\n', encoding='utf-8')
        os.replace(temporary, path)
    return path


def read_summary(out: Path) -> dict[str, Any]:
    """What :func:`write_summary` has written.

    Raises:
        UserError: It is not there, or was changed.
    """
    path = out / NAME
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f'{path}, which mmsimmim pretrain writes before the first step, cannot be read: {error}. Train '
                        'the config beside it by mmsimmim train, or remove the folder and begin anew.') from error
    machine = content.get('machine') if isinstance(content, dict) else None
    if not isinstance(machine, dict) or not is_whole(machine.get('devices')):
        raise UserError(f'{path} is none that mmsimmim pretrain has written: it does not say machine.devices. Train '
                        'the config beside it by mmsimmim train, or remove the folder and begin anew.')
    return content


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
