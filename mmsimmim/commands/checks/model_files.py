"""The files that parts of a model read: initial weights, and palettes."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.runner import FlexibleRunner, Runner
from torch import nn

from ...checkpoints.reading.files import read_file
from ...errors import UserError
from ...models.targets.colour_clusters import read_palette


def check_initial_weights(cfg: Config) -> None:
    """Make sure that the checkpoints of all ``init_cfg``, and of ``load_from``, can be read, before anything is built.

    Args:
        cfg (Config): Its ``model`` is searched at every depth. Addresses (with '://') are not checked, and nothing is
            in a run that is resumed: see :func:`skip_initial_weights`.

    Raises:
        UserError: A file is missing or no checkpoint; the message has its full key.
    """
    if cfg.get('resume'):
        return
    places = list(_pretrained(cfg.get('model'), 'model'))
    if cfg.get('load_from'):
        places.append(('load_from', cfg.load_from))
    for key, path in places:
        if '://' in path:
            continue
        try:
            read_file(path, mmap=True)
        except UserError as error:
            raise UserError(f'{key}: the checkpoint {error} Give the file to start from: --cfg-options {key}=PATH'
                            ) from error


def check_palettes(cfg: Config) -> None:
    """Make sure that the palettes of all colour targets can be read, before anything is built.

    Unlike initial weights they are read in every run, as the number of colours determines the model.

    Args:
        cfg (Config): Its ``model`` is searched at every depth.

    Raises:
        UserError: A file is missing or no palette; the message has its full key.
    """
    for key, node in _dictionaries(cfg.get('model'), 'model'):
        if _name_of(node) != 'ColourClusterTarget' or not isinstance(node.get('palette'), str):
            continue
        try:
            read_palette(node['palette'])
        except UserError as error:
            raise UserError(f'{key}.palette: {error}') from error


def skip_initial_weights(runner: Runner | FlexibleRunner) -> None:
    """Let a runner that loads a checkpoint of the whole model read no file of an ``init_cfg`` before.

    MMEngine initialises the model in every training, and with a FlexibleRunner in every test. The config, which is
    written beside the logs and into checkpoints, stays as it is.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains or tests. Its model is changed in place.
    """
    if not isinstance(runner.model, nn.Module):  # FlexibleRunner builds it when it starts
        runner.model = _without_pretrained(runner.model)
        return
    for module in runner.model.modules():
        if getattr(module, 'init_cfg', None):
            module.init_cfg = _without_pretrained(module.init_cfg)


def _without_pretrained(node: Any) -> Any:
    """A copy in which each ``dict(type='Pretrained')`` is None, or no longer in its list."""
    if isinstance(node, dict):
        children = {name: _without_pretrained(child) for name, child in node.items()}
        return None if _is_pretrained(node) else type(node)(children)
    if isinstance(node, (list, tuple)):
        return type(node)(_without_pretrained(child) for child in node if not _is_pretrained(child))
    return node


def _is_pretrained(node: Any) -> bool:
    return _name_of(node) in ('Pretrained', 'PretrainedInit') and isinstance(node.get('checkpoint'), str)


def _name_of(node: Any) -> str:
    """The class that a dictionary is the config of, without its scope; '' for anything else."""
    kind = node.get('type') if isinstance(node, dict) else None
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else getattr(kind, '__name__', '')


def _pretrained(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Full keys and paths of all checkpoints to start from."""
    for place, found in _dictionaries(node, key):
        if _is_pretrained(found):
            yield f'{place}.checkpoint', found['checkpoint']


def _dictionaries(node: Any, key: str) -> Iterator[tuple[str, dict]]:
    """Full keys of all dictionaries at and below a node."""
    if isinstance(node, dict):
        yield key, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, child in children:
        yield from _dictionaries(child, f'{key}.{name}')
