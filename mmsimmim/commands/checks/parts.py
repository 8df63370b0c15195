"""Checks before the first step of parts that are built late, or without a word on what is wrong."""

import difflib

from mmengine.config import Config
from mmengine.registry import OPTIMIZERS, init_default_scope

from ...errors import UserError
from ...registry import TRANSFORMS


def check_parts(cfg: Config) -> None:
    """Make sure that the optimizer is known and the masks of data loaders can be drawn.

    Args:
        cfg (Config): Not changed.

    Raises:
        UserError: There is no such optimizer.
        ValueError: An argument of a mask generator is out of its range.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    _check_optimizer((cfg.get('optim_wrapper') or {}).get('optimizer') or {})
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        collate = (cfg.get(name) or {}).get('collate_fn')
        mask = collate.get('mask') if isinstance(collate, dict) else None
        if mask:  # which workers build with their first batch
            TRANSFORMS.build(dict(mask))


def _check_optimizer(optimizer: dict) -> None:
    kind = optimizer.get('type')
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:  # the framework's, which has more
        if not isinstance(kind, str) or registry.get(kind) is not None:
            return
    known = [*OPTIMIZERS.module_dict, *registry.module_dict]
    similar = difflib.get_close_matches(kind, known, 3, 0.5) or known[:8]
    raise UserError(f'optim_wrapper.optimizer.type={kind}: there is no such optimizer. Known are, among others: '
                    f'{", ".join(dict.fromkeys(similar))}.')
