"""Checks before the first step of parts that are built late, or without a word on what is wrong."""

import difflib
from importlib.util import find_spec

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import MODEL_WRAPPERS, OPTIMIZERS, init_default_scope
from mmengine.registry import MODELS as ROOT_MODELS

from ...errors import UserError
from ...registry import MODELS, TRANSFORMS


def check_parts(cfg: Config) -> None:
    """Make sure that scope, wrapper and optimizer are known, and the masks of data loaders can be drawn.

    Args:
        cfg (Config): Not changed.

    Raises:
        UserError: There is no such scope, wrapper or optimizer.
        ValueError: An argument of a mask generator is out of its range.
    """
    _check_scope(cfg.get('default_scope') or 'mmengine')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    _check_wrapper(cfg.get('model_wrapper_cfg') or {})
    _check_optimizer((cfg.get('optim_wrapper') or {}).get('optimizer') or {})
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        collate = (cfg.get(name) or {}).get('collate_fn')
        mask = collate.get('mask') if isinstance(collate, dict) else None
        if mask:  # which workers build with their first batch
            TRANSFORMS.build(dict(mask))


def _check_scope(scope: str) -> None:
    known = {'mmengine', *MODELS.children, *ROOT_MODELS.children, *MODULE2PACKAGE}
    if scope not in known and (not scope.isidentifier() or find_spec(scope) is None):
        raise UserError(f'default_scope={scope}: there is no such package. Known are {", ".join(sorted(known))}.')


def _check_wrapper(wrapper: dict) -> None:
    kind = wrapper.get('type')
    if isinstance(kind, str):
        with MODEL_WRAPPERS.switch_scope_and_registry(None) as registry:
            if registry.get(kind) is None:
                raise UserError(f'model_wrapper_cfg.type={kind}: there is no such class. Known are, among others: '
                                f'{", ".join(dict.fromkeys([*MODEL_WRAPPERS.module_dict, *registry.module_dict]))}.')


def _check_optimizer(optimizer: dict) -> None:
    kind = optimizer.get('type')
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:  # the framework's, which has more
        if not isinstance(kind, str) or registry.get(kind) is not None:
            return
    known = [*OPTIMIZERS.module_dict, *registry.module_dict]
    similar = difflib.get_close_matches(kind, known, 3, 0.5) or known[:8]
    raise UserError(f'optim_wrapper.optimizer.type={kind}: there is no such optimizer. Known are, among others: '
                    f'{", ".join(dict.fromkeys(similar))}.')
