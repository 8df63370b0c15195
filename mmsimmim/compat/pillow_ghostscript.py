"""Fault: Pillow starts Ghostscript for an image that is EPS inside, whatever its name.

What mmsimmim opens it opens by a list of formats. But MMCV, through which MMSegmentation reads label maps, leaves the
format to the file.

Repair: Pillow looks for no Ghostscript, and reports an EPS as an image that it cannot read. EPS is still written.
"""

from types import ModuleType

from mmsimmim.compat.import_hook import after_import


def apply() -> None:
    """Do it now or when Pillow's plugin is imported."""
    after_import('PIL.EpsImagePlugin', _without_ghostscript)


def _without_ghostscript(module: ModuleType) -> None:
    module.gs_binary = False
