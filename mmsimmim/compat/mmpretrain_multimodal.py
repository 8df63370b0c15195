"""Fault: mmpretrain cannot import its models beside a transformers that is newer than it knows.

Its language models subclass what later releases of transformers removed: 1.2.0 fails from transformers 4.50 on, the
fork's 1.3.6 from 5 on. They are imported whenever transformers >= 4.28 and pycocotools are installed. MMDetection and
MMSegmentation, which import ``mmpretrain.models``, fail with it.

Repair: where such a transformers is installed, ``mmpretrain.utils.dependency.WITH_MULTIMODAL`` is made false before
the models read it. mmpretrain then registers its own placeholders, which raise only when one of those models is built.
"""

import sys
from types import ModuleType

from mmsimmim.compat.import_hook import after_import
from mmsimmim.compat.stacks import ONEDL, find_installed, installed_version
from mmsimmim.compat.versions import release

SWITCH = 'mmpretrain.utils.dependency'


def apply() -> None:
    """Switch mmpretrain's multi-modal models off if the installed transformers would break their import."""
    if 'mmpretrain.models' not in sys.modules:
        after_import(SWITCH, _switch_off)


def _switch_off(dependency: ModuleType) -> None:
    found = installed_version('transformers')
    if found is not None and release(found) >= _first_unsupported():
        dependency.WITH_MULTIMODAL = False


def _first_unsupported() -> tuple[int, ...]:
    maintained = any(one.stack is ONEDL for one in find_installed('mmpretrain'))
    return (5,) if maintained else (4, 50)
