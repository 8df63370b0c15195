"""MMEngine reads checkpoints through this package: all file formats, without running code from any.

:mod:`mmsimmim.mmengine_loading` registers these readers with MMEngine's ``CheckpointLoader``, so that ``init_cfg``,
``load_from``, ``resume``, ``load_checkpoint`` and the inferencers of all frameworks use them, for models of any
package. MMEngine 0.10.7 lets code of downloaded files run, and before PyTorch 2.6 of all files. Conversion of the
names of parameters: :mod:`mmsimmim.models.foreign_names`.
"""

import os
import os.path as osp
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, get_dist_info
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ..errors import UserError
from .reading.files import is_safetensors, read_file
from .weights import find_weights, has_weights

# File of each tensor, as long as there is the tensor.
_ORIGINS = WeakIdKeyDictionary()


def load_from_local(filename: str, map_location: Any = None, mmap: bool | None = None) -> Any:
    """Read a local file for MMEngine.

    Args:
        filename (str): The file.
        map_location (Any): As of ``torch.load``.
        mmap (bool, optional): See :func:`read_file`. Defaults to True where several processes read the file, which
            then share the memory.

    Returns:
        Any: Its content. Parameters under the key of another code base are under ``'state_dict'``, too,
        where MMEngine looks; those of a safetensors file are only there. Their names are as in the file.

    Raises:
        UserError: If it cannot be read.
    """
    content = _as_mmengine_looks(filename, read_file(filename, map_location,
                                                     get_dist_info()[1] > 1 if mmap is None else mmap))
    _note_origin(filename, content)
    return content


def _as_mmengine_looks(filename: str, content: Any) -> Any:
    if is_safetensors(filename):
        return dict(state_dict=content)
    _drop_program(content)
    if isinstance(content, Mapping) and 'state_dict' not in content and has_weights(content):
        weights = find_weights(content)
        return content if weights is content else {**content, 'state_dict': weights}
    return content


def _note_origin(filename: str, content: Any) -> None:
    """Remember of which file tensors are, and refuse what MMEngine would take for parameters and fail on."""
    weights = content.get('state_dict', content) if isinstance(content, Mapping) else {}
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
        raise UserError(f'{filename} has no parameters with names under state_dict. Give a checkpoint of a model.')
    if isinstance(content, Mapping) and not any(isinstance(value, Tensor) for value in weights.values()):
        try:
            find_weights(weights)
        except UserError as error:
            raise UserError(f'{filename}: {error}') from error
    for value in weights.values():
        if isinstance(value, Tensor):
            _ORIGINS[value] = filename


def origin_of(state_dict: Mapping[str, Any]) -> str | None:
    """The file that tensors were read from by :func:`load_from_local`; None if that is not known."""
    return next((_ORIGINS[value] for value in state_dict.values() if isinstance(value, Tensor) and value in _ORIGINS),
                None)


def _drop_program(content: Any) -> None:
    """Remove the text under ``meta['config']``, of MMCV's days, which MMEngine runs as Python when it resumes."""
    meta = content.get('meta') if isinstance(content, Mapping) else None
    if isinstance(meta, dict):
        meta.pop('config', None)


def load_from_http(filename: str, map_location: Any = None, model_dir: str | None = None,
                   progress: bool = os.isatty(0)) -> Any:
    """Download a file to torch's cache, unless it is there, and read it.

    Args:
        filename (str): Its URL.
        map_location (Any): As of ``torch.load``.
        model_dir (str, optional): Folder instead of the cache. Defaults to None.
        progress (bool): Show the progress of the download.

    Returns:
        Any: As :func:`load_from_local`.
    """
    folder = model_dir or osp.join(torch.hub.get_dir(), 'checkpoints')
    path = osp.join(folder, osp.basename(urlparse(filename).path))
    if get_dist_info()[0] == 0:
        _fetch(filename, path, progress)
    barrier()
    _fetch(filename, path, progress)  # other computers may have other folders
    return load_from_local(path, map_location)


def _fetch(address: str, path: str, progress: bool) -> None:
    if not osp.exists(path):
        os.makedirs(osp.dirname(path), exist_ok=True)
        torch.hub.download_url_to_file(address, path, progress=progress)


def register_readers(checkpoint: ModuleType) -> None:
    """Replace the readers of ``mmengine.runner.checkpoint``."""
    checkpoint.CheckpointLoader.register_scheme('', load_from_local, force=True)
    checkpoint.CheckpointLoader.register_scheme(('http://', 'https://'), load_from_http, force=True)
    # The loaders of torchvision://, openmmlab:// and mmcls:// call it by this name.
    checkpoint.load_from_http = load_from_http
