"""SimMIM for OpenMMLab: importing the package registers the scope ``mmsimmim``.

Registered modules are imported at the first look-up in a registry; importing the package does not import PyTorch.
"""

import importlib

from . import compat  # noqa: F401  isort:skip  first, because it mends what the others import
from . import mmengine_loading, registry

__version__ = '0.2.0'

# Subpackages that can be used as attributes without being imported.
_PACKAGES = ('analysis', 'checkpoints', 'datasets', 'engine', 'evaluation', 'layers', 'models', 'recipes',
             'visualization')
# Functions of the package, each imported when it is first asked for.
_CALLS = {'load': '.models.pretrained', 'pretrain': '.commands.pretraining'}

mmengine_loading.take_over()


def __getattr__(name: str):
    if name in _PACKAGES:
        return importlib.import_module(f'.{name}', __name__)
    if name in _CALLS:
        return getattr(importlib.import_module(_CALLS[name], __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES, *_CALLS})
