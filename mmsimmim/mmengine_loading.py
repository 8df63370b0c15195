"""MMEngine loads checkpoints through this package, from the moment that it can load any.

``init_cfg``, ``load_from``, ``resume``, ``load_checkpoint`` and the inferencers of all frameworks then use the readers
of :mod:`mmsimmim.checkpoints.loading`, which take every kind of file and run code from none, and models with an encoder
of this package get parameters under its names (:mod:`mmsimmim.models.foreign_names`).
"""

import sys
from functools import wraps
from types import ModuleType

from .compat.import_hook import after_import


def take_over() -> None:
    """Replace MMEngine's readers and its ``load_state_dict``, now or when its module of checkpoints is imported."""
    after_import('mmengine.runner.checkpoint', _replace)


def _replace(checkpoint: ModuleType) -> None:
    from .checkpoints.loading import register_readers

    register_readers(checkpoint)
    if hasattr(checkpoint.load_state_dict, '__wrapped__'):
        return
    checkpoint.load_state_dict = _converting(checkpoint.load_state_dict)
    runner = sys.modules.get('mmengine.runner')
    if hasattr(runner, 'load_state_dict'):  # imported before: it has the function under its own name
        runner.load_state_dict = checkpoint.load_state_dict


def _converting(original):
    @wraps(original)
    def load_state_dict(module, state_dict, strict=False, logger=None) -> None:
        """MMEngine's function, for state dicts of all code bases."""
        from .models.foreign_names import load_converted

        load_converted(original, module, state_dict, strict, logger)

    return load_state_dict
