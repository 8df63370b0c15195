"""The files from which parts of a model take their first weights."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..checkpoints.files import read_file
from ..errors import UserError


def check_initial_weights(cfg: Config) -> None:
    """Make sure that the checkpoints of all ``init_cfg``, and of ``load_from``, can be read, before anything is built.

    Args:
        cfg (Config): Its ``model`` is searched at every depth. Addresses (with '://') are not checked.

    Raises:
        UserError: A file is missing or no checkpoint; the message has its full key.
    """
    places = list(_pretrained(cfg.get('model'), 'model'))
    if cfg.get('load_from') and not cfg.get('resume'):
        places.append(('load_from', cfg.load_from))
    for key, path in places:
        if '://' in path:
            continue
        try:
            read_file(path, mmap=True)
        except UserError as error:
            raise UserError(f'{key}: the checkpoint {error} Give the file to start from: --cfg-options {key}=PATH'
                            ) from error


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
