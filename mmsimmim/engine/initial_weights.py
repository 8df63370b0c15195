"""The files from which parts of a model take their first weights."""

import os
import os.path as osp
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..errors import UserError


def check_initial_weights(cfg: Config) -> None:
    """Make sure that the checkpoints of all ``init_cfg`` are there, before anything is built.

    Args:
        cfg (Config): Its ``model`` is searched at every depth. Addresses (with '://') are not checked.

    Raises:
        UserError: A file is missing; the message has its full key.
    """
    for key, path in _pretrained(cfg.get('model'), 'model'):
        if '://' not in path and not osp.isfile(osp.expanduser(path)):
            kind = 'is a folder' if osp.isdir(osp.expanduser(path)) else 'does not exist'
            raise UserError(f'{key}: the checkpoint {path} {kind} (working folder: {os.getcwd()}). Give the file to '
                            f'start from: --cfg-options {key}=PATH')


def _pretrained(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Full keys and paths of all checkpoints to start from."""
    if isinstance(node, dict):
        kind = node.get('type')
        name = kind.rsplit('.', 1)[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')
        if name in ('Pretrained', 'PretrainedInit') and isinstance(node.get('checkpoint'), str):
            yield f'{key}.checkpoint', node['checkpoint']
        children = node.items()
    else:
        children = enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, child in children:
        yield from _pretrained(child, f'{key}.{name}')
