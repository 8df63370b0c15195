"""The recipe that a checkpoint holds, beside the settings of a config."""

import inspect
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ...checkpoints.recipe import Recipe
from ...checkpoints.sizes import CLASSES, NAMED, named_size
from ...registry import MODELS

MODELS_OF = {True: 'SimMIM', False: 'ImageClassifier'}
# What holds where a config says nothing; for the encoder, its class tells.
DEFAULTS = {
    'optim_wrapper.accumulative_counts': 1,
    'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.,
    'param_scheduler.warmup_prefix': False,
    'model.target_generator.type': 'mmsimmim.PixelTarget',
    'model.backbone.arch.extra_norm_every_n_blocks': 0,
}
# Settings in epochs, which configs that count iterations have in those.
LENGTHS = ('param_scheduler.warmup', 'param_scheduler.milestones', 'train_cfg.max_epochs')


class Row(NamedTuple):
    """A setting in the recipe and in the config, which has None if there is no such key."""

    key: str
    theirs: Any
    ours: Any

    @property
    def differs(self) -> bool:
        """Whether the two are different settings."""
        return not _same(self.theirs, self.ours)


def nearest(recipe: Recipe, paths: Iterable[Path], pretraining: bool) -> tuple[Path, list[Row]] | None:
    """The config that differs least from a recipe, among those of the same task.

    Args:
        recipe (Recipe): What the file holds.
        paths (Iterable[Path]): Configs whose encoder fits the file.
        pretraining (bool): Whether the file is of pre-training, or a classifier.

    Returns:
        tuple[Path, list[Row]] | None: The first of those with the fewest differences, rather one in a folder than
        in a folder of that, and all settings; None if no config is of that task.
    """
    found = []
    for path in paths:
        try:
            cfg = Config.fromfile(path)
        except Exception:  # A config is a program, and may need what is not installed.
            continue
        if str(cfg.get('model', {}).get('type')).rpartition('.')[2] == MODELS_OF[pretraining]:
            found.append((path, compare(recipe, cfg.to_dict())))
    return min(found, key=lambda pair: (sum(row.differs for row in pair[1]), len(pair[0].parts)), default=None)


def compare(recipe: Recipe, cfg: dict[str, Any]) -> list[Row]:
    """Each setting of a recipe and what a config has for it."""
    backbone = cfg['model']['backbone']
    cfg = {**cfg, 'model': {**cfg['model'], 'backbone': {**_arguments(backbone.get('type')), **backbone}}}
    in_iterations = recipe.epoch_length is not None and 'max_iters' in cfg.get('train_cfg', {})
    rows = []
    for key, theirs in recipe.settings.items():
        if in_iterations and key in LENGTHS:
            key, theirs = key.replace('max_epochs', 'max_iters'), _times(theirs, recipe.epoch_length)
        ours = _look_up(cfg, key)
        rows.append(Row(key, theirs, DEFAULTS.get(key) if ours is None else ours))
    return rows


def table(rows: list[Row]) -> list[str]:
    """Lines of text: the key, the recipe's value, the config's; '*' before those that differ."""
    cells = [(row.key, _text(row.theirs), _text(row.ours)) for row in rows]
    cells.insert(0, ('', 'file', 'config'))
    widths = [max(map(len, column)) for column in zip(*cells)]
    marks = [' '] + ['*' if row.differs else ' ' for row in rows]
    return [f'{mark} ' + '  '.join(text.ljust(width) for text, width in zip(line, widths)).rstrip()
            for mark, line in zip(marks, cells)]


def _arguments(name: str | None) -> dict[str, Any]:
    """The arguments of a class that have a default."""
    found = MODELS.get(str(name))
    parameters = inspect.signature(found).parameters if found else {}
    return {key: parameter.default for key, parameter in parameters.items() if parameter.default is not parameter.empty}


def _look_up(cfg: Any, key: str) -> Any:
    for part in re.findall(r'\[\w+\]|\w+', key):
        if part.startswith('['):
            entries = cfg if isinstance(cfg, list) else []
            cfg = next((entry for entry in entries if entry.get('type') == part[1:-1]), None)
        elif isinstance(cfg, dict):
            cfg = _whole_arch(cfg) if part == 'arch' else cfg.get(part)
        else:
            return None
    return cfg


def _whole_arch(backbone: dict[str, Any]) -> dict[str, Any] | None:
    """The numbers of an encoder, for those that have a name too."""
    arch = backbone.get('arch')
    encoder = next((kind for kind, name in CLASSES.items() if backbone.get('type') == f'mmsimmim.{name}'), None)
    name = next((name for name in NAMED.get(encoder, ()) if arch in (name, name[0])), None)
    return named_size(encoder, name) if name else arch


def _times(value: Any, epoch_length: int) -> Any:
    return [number * epoch_length for number in value] if isinstance(value, list) else value * epoch_length


def _same(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, (list, tuple)) or isinstance(ours, (list, tuple)):
        count = max(len(value) for value in (theirs, ours) if isinstance(value, (list, tuple)))
        theirs, ours = (value if isinstance(value, (list, tuple)) else [value] * count for value in (theirs, ours))
        return len(theirs) == len(ours) and all(map(_same, theirs, ours))
    if isinstance(theirs, (int, float)) and isinstance(ours, (int, float)):
        return math.isclose(theirs, ours, rel_tol=1e-6)
    return theirs == ours


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, (list, tuple)):
        return ', '.join(map(_text, value))
    return f'{value:g}' if isinstance(value, float) else str(value)
