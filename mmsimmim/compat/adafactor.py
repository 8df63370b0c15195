"""Fault: MMEngine's ``mmengine.optim`` imports transformers for the one optimizer that it registers from there.

Where transformers is installed, that is a second of every start of a training, a test or an inferencer.

Repair: while MMEngine's module is imported, transformers looks as if it were not installed, and ``Adafactor`` is
registered as a function that imports it when the optimizer is built.
"""

import importlib.util
import sys
from types import ModuleType

from mmsimmim.compat.import_hook import after_import, import_without

BUILDER = 'mmengine.optim.optimizer.builder'


def apply() -> None:
    """Put the import off, unless it has been done."""
    if 'transformers' not in sys.modules and importlib.util.find_spec('transformers') is not None:
        import_without(BUILDER, 'transformers')
        after_import(BUILDER, _register)


def adafactor(params, *args, **kwargs):
    """``transformers.Adafactor``; MMEngine looks for the name ``params`` in the signature."""
    from transformers import Adafactor

    return Adafactor(params, *args, **kwargs)


def _register(builder: ModuleType) -> None:
    if 'Adafactor' not in builder.OPTIMIZERS.module_dict:
        builder.OPTIMIZERS.register_module(name='Adafactor', module=adafactor)
        builder.TRANSFORMERS_OPTIMIZERS.append('Adafactor')
