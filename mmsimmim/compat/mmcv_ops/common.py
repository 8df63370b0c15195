"""What the stand-ins share: the precision they compute in, and the error for what they cannot do."""

import torch

from mmsimmim.compat.stacks import ONEDL, find_installed, stack_in_use

BUILD = 'pip install --no-build-isolation --no-cache-dir'
UPSTREAM_CURE = f"pip uninstall -y mmcv-lite && {BUILD} --no-binary mmcv 'mmcv==2.1.0'"
ONEDL_CURE = f"{BUILD} --no-deps --force-reinstall {ONEDL.packages['mmcv'].pin}"


class UnsupportedOpError(NotImplementedError):
    """An operator of mmcv was called that exists in compiled form only."""


def unsupported(what: str) -> UnsupportedOpError:
    """The error for an operator, or for one mode of it, that has no counterpart here."""
    return UnsupportedOpError(
        f'the operator {what!r} of mmcv needs its compiled extension, which is not installed, and neither PyTorch nor '
        f'torchvision has an exact counterpart. Install full mmcv: {_cure()} '
        '(needs a C++ compiler, and nvcc for a GPU; it takes a while)'
    )


def _cure() -> str:
    """The command that compiles the mmcv of the family that is installed."""
    return ONEDL_CURE if stack_in_use({'mmcv': find_installed('mmcv')}) is ONEDL else UPSTREAM_CURE


def compute_dtype(*tensors: torch.Tensor) -> torch.dtype:
    """float64 if one of the tensors has it, float32 otherwise."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
