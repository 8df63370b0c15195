"""SimMIM for OpenMMLab: importing the package makes the scope ``mmsimmim`` known.

What is registered there is imported when something is first looked up; importing the package imports no PyTorch.
"""

import importlib

from . import compat  # noqa: F401  isort:skip  first, because it mends what the others import
from . import mmengine_loading, registry

__version__ = '0.2.0'

# Subpackages that can be used as attributes without being imported.
_PACKAGES = ('analysis', 'checkpoints', 'datasets', 'engine', 'evaluation', 'layers', 'models', 'visualization')

mmengine_loading.take_over()


def __getattr__(name: str):
    if name in _PACKAGES:
        return importlib.import_module(f'.{name}', __name__)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES})
