"""SimMIM for OpenMMLab: importing the package registers all of it in the scope ``mmsimmim``."""

from . import datasets, models  # noqa: F401

__version__ = '0.1.0'
