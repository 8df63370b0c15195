"""The module that takes the place of ``mmcv._ext``."""

from types import ModuleType

from mmsimmim.compat.mmcv_ops.common import unsupported
from mmsimmim.compat.mmcv_ops.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from mmsimmim.compat.mmcv_ops.focal_loss import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from mmsimmim.compat.mmcv_ops.multi_scale_deform_attn import ms_deform_attn_backward, ms_deform_attn_forward
from mmsimmim.compat.mmcv_ops.nms import nms, softnms
from mmsimmim.compat.mmcv_ops.roi_align import roi_align_backward, roi_align_forward

EXTENSION = 'mmcv._ext'


def get_compiler_version() -> str:
    """What environment reports print for mmcv's compiler."""
    return 'n/a'


def get_compiling_cuda_version() -> str:
    """What environment reports print for mmcv's CUDA compiler."""
    return 'n/a'


SUPPORTED = (
    get_compiler_version,
    get_compiling_cuda_version,
    nms,
    softnms,
    roi_align_forward,
    roi_align_backward,
    deform_conv_forward,
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    modulated_deform_conv_forward,
    modulated_deform_conv_backward,
    ms_deform_attn_forward,
    ms_deform_attn_backward,
    sigmoid_focal_loss_forward,
    sigmoid_focal_loss_backward,
)


def fill(module: ModuleType) -> None:
    """Make a new module what ``import mmcv._ext`` gives."""
    for function in SUPPORTED:
        setattr(module, function.__name__, function)
    module.__doc__ = __doc__
    module.__getattr__ = _missing_op


def _missing_op(name: str):
    if name.startswith('__'):
        raise AttributeError(f'module {EXTENSION!r} has no attribute {name!r}')

    def op(*args, **kwargs):
        raise unsupported(name)

    op.__name__ = op.__qualname__ = name
    return op
