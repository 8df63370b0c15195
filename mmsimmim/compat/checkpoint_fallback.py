"""Fault: the loader of onedl-mmengine 0.10.12 reads a checkpoint with ``weights_only=False`` where ``True`` refuses it.

Its ``_safe_torch_load`` first admits the plain ``getattr``, through which a file can reach any attribute, and where
PyTorch refuses a file nevertheless, it logs a warning and runs the code that is in the file.

Repair: the function reads with ``weights_only=True`` and what :mod:`.checkpoint_globals` admits, and raises what
PyTorch raises. Local files and addresses do not come here, as the package has readers of its own for them; those of
MMEngine's other schemes do. Upstream has no such function.
"""

from types import ModuleType

from mmsimmim.compat.import_hook import after_import

LOADER = '_safe_torch_load'


def apply() -> None:
    """Replace the loader when MMEngine's module of checkpoints is imported."""
    after_import('mmengine.runner.checkpoint', _replace)


def _replace(module: ModuleType) -> None:
    if hasattr(module, LOADER):
        setattr(module, LOADER, _load)


def _load(file, map_location=None, weights_only=None):
    """``torch.load``; what a file may hold is not the caller's to widen."""
    import torch
    return torch.load(file, map_location=map_location, weights_only=True)
