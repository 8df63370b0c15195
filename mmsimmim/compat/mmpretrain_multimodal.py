"""Fault: mmpretrain 1.2.0 cannot import its models beside transformers newer than 4.49.

Its language models subclass what later releases of transformers removed, and they are imported whenever transformers
>= 4.28 and pycocotools are installed. MMDetection and MMSegmentation, which import ``mmpretrain.models``, fail with it.

Repair: where such a transformers is installed, ``mmpretrain.utils.dependency.WITH_MULTIMODAL`` is made false before
the models read it. mmpretrain then registers its own placeholders, which raise only when one of those models is built.
"""

import sys
from types import ModuleType

from mmsimmim.compat.import_hook import after_import
from mmsimmim.compat.versions import installed_version, release

SWITCH = 'mmpretrain.utils.dependency'
FIRST_UNSUPPORTED = (4, 50)


def apply() -> None:
    """Switch mmpretrain's multi-modal models off if the installed transformers would break their import."""
    found = installed_version('transformers')
    if found is not None and release(found) >= FIRST_UNSUPPORTED and 'mmpretrain.models' not in sys.modules:
        after_import(SWITCH, _switch_off)


def _switch_off(dependency: ModuleType) -> None:
    dependency.WITH_MULTIMODAL = False
