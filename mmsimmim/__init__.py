"""SimMIM for OpenMMLab: importing the package registers all of it in the scope ``mmsimmim``."""

from . import compat  # noqa: F401  isort:skip  first, because it mends what the others import
from . import datasets, engine, evaluation, models  # noqa: F401

__version__ = '0.2.0'
