"""The switch to mixed precision."""

import torch
from mmengine.config import Config

from ...errors import UserError


def enable_amp(cfg: Config) -> None:
    """Train in mixed precision; bfloat16 unless the config says otherwise or the GPU has none.

    Args:
        cfg (Config): ``optim_wrapper`` is changed in place.

    Raises:
        UserError: The config has another type of optimizer wrapper.
    """
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    if kind == 'AmpOptimWrapper':
        return
    if kind != 'OptimWrapper':
        raise UserError(f'--amp cannot be combined with optim_wrapper.type {kind!r}; set its precision in the config.')
    has_bfloat16 = not torch.cuda.is_available() or torch.cuda.is_bf16_supported()
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('dtype', 'bfloat16' if has_bfloat16 else 'float16')
    wrapper.setdefault('loss_scale', 'dynamic')
