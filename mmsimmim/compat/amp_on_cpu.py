"""Fault: ``AmpOptimWrapper`` of MMEngine 0.10.7, and of its fork, asserts that there is an accelerator.

PyTorch runs bfloat16 autocast on CPUs, and so does MMEngine's own ``autocast``; only the assertion stands in the way of
training a bf16 config on a CPU. A file saved there holds an empty loss scaler, which a GradScaler in use refuses.

Repair: the assertion passes. Without an accelerator ``dtype`` may be ``'bfloat16'`` or left out (which means bfloat16
on a CPU); the loss is not scaled, as bfloat16 has the exponents of float32. ``'float16'`` raises: MMEngine's autocast
has no float16 on CPUs. An empty scaler state is skipped on loading.
"""

import functools
import warnings
from types import ModuleType

from mmsimmim.compat.import_hook import after_import


def apply() -> None:
    """Let ``AmpOptimWrapper`` be built on a machine without an accelerator."""
    after_import('mmengine.optim.optimizer.amp_optimizer_wrapper', _mend)


def _mend(upstream: ModuleType) -> None:
    wrapper = upstream.AmpOptimWrapper
    if hasattr(wrapper.__init__, '__wrapped__'):
        return
    upstream.is_cuda_available = lambda: True
    wrapper.__init__ = _allow_cpu(wrapper.__init__)
    wrapper.load_state_dict = _skip_empty_scaler(wrapper.load_state_dict)


def _allow_cpu(init):
    @functools.wraps(init)
    def wrapped(self, loss_scale='dynamic', dtype=None, **kwargs):
        import torch
        from mmengine.device import get_device

        if get_device() == 'cpu' and dtype not in (None, 'bfloat16', torch.bfloat16):
            raise ValueError(
                f'AmpOptimWrapper was given dtype={str(dtype)!r}, and this machine has no accelerator: on a CPU '
                "MMEngine autocasts to bfloat16 only. Set optim_wrapper.dtype='bfloat16', or "
                "optim_wrapper.type='OptimWrapper' for float32."
            )
        with warnings.catch_warnings():
            # Expected on a CPU: the scaler of CUDA switches itself off, which is what bfloat16 wants. Everywhere:
            # the old name under which MMEngine imports the scaler.
            warnings.filterwarnings('ignore', message=r'.*GradScaler.*')
            init(self, loss_scale=loss_scale, dtype=dtype, **kwargs)

    return wrapped


def _skip_empty_scaler(load_state_dict):
    @functools.wraps(load_state_dict)
    def wrapped(self, state_dict):
        if state_dict.get('loss_scaler') == {}:
            state_dict.pop('loss_scaler')
        return load_state_dict(self, state_dict)

    return wrapped
