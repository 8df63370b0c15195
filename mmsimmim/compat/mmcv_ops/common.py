"""What the stand-ins share: the precision they compute in, and the error for what they cannot do."""

import torch

from mmsimmim.compat.stacks import UPSTREAM, find_installed

UPSTREAM_CURE = "pip uninstall -y mmcv-lite && pip install --no-build-isolation --no-binary mmcv 'mmcv==2.1.0'"
# pip keeps the package that it built without operators, and would take it again.
ONEDL_CURE = 'pip install --no-build-isolation --no-cache-dir --no-deps --force-reinstall onedl-mmcv==2.3.6'


class UnsupportedOpError(NotImplementedError):
    """An operator of mmcv was called that exists in compiled form only."""


def unsupported(what: str) -> UnsupportedOpError:
    """The error for an operator, or for one mode of it, that has no counterpart here."""
    upstream = any(one.stack is UPSTREAM for one in find_installed('mmcv'))
    return UnsupportedOpError(
        f'the operator {what!r} of mmcv needs its compiled extension, which is not installed, and neither PyTorch nor '
        f'torchvision has an exact counterpart. Install full mmcv: '
        f'{UPSTREAM_CURE if upstream else ONEDL_CURE} (needs a C++ compiler, and nvcc for a GPU; it takes a while)'
    )


def compute_dtype(*tensors: torch.Tensor) -> torch.dtype:
    """float64 if one of the tensors has it, float32 otherwise."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
