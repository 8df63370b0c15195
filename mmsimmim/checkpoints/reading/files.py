"""Checkpoint files: reading without running code, errors that say what the file is, atomic writing.

A file is recognised by its content; its name only decides the format for writing.
"""

import json
import operator
import os
import os.path as osp
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ...errors import UserError, shown
from ..storage import sync_folder
from .checksums import require_checksums
from .deepspeed import OPTIMIZER_FILE, require_whole, what_folder
from .other_files import TAR, is_tar, what_else
from .torch_files import read_legacy, read_zip

SUFFIXES = ('.pth', '.pt', '.bin', '.safetensors')
# A header of names and shapes; more is no header.
LONGEST_SAFETENSORS_HEADER = 100 << 20


class UnsafeCheckpoint(UserError, pickle.UnpicklingError):
    """A file that was not read because it would run code; torch's own error for that is its parent."""


class MissingCheckpoint(UserError, FileNotFoundError):
    """No such file; a FileNotFoundError like MMEngine's own."""


def read_checkpoint(path: str, map_location: Any = 'cpu', mmap: bool = False) -> dict[str, Any]:
    """Read a ``.pth``, ``.pt``, ``.bin`` or ``.safetensors`` file without running code in it.

    Args:
        path (str): The file; its content decides the format, not its name.
        map_location (Any): Device of the tensors, as ``torch.load`` takes it. Defaults to ``'cpu'``.
        mmap (bool): Leave the tensors on the disk until they are used, and after their checksums were compared. The
            file must not change then. Defaults to False.

    Returns:
        dict[str, Any]: What was saved; :func:`~.weights.state_dict_of` finds the parameters in it.

    Raises:
        UserError: If there is no such file (also a FileNotFoundError), or it holds something else, or a share of the
            weights (DeepSpeed), or is damaged, or would have to run code.
    """
    content = read_file(path, map_location, mmap)
    if not isinstance(content, Mapping):
        raise UserError(f'{path} holds one {type(content).__name__} and no dictionary of parameters. Save the '
                        "model's state_dict() instead.")
    return content


def read_file(path: str, map_location: Any = 'cpu', mmap: bool = False) -> Any:
    """The same for files that may hold anything, such as a single tensor."""
    path = osp.expanduser(path)
    _require_file(path)
    with open(path, 'rb') as file:
        head = file.read(1024)
    # A header's length may begin as a pickle does.
    for recognise, read in ((_is_zip, _read_zip), (_has_safetensors_header, _read_safetensors),
                            (_is_pickle, _read_pickle)):
        if recognise(head):
            content = read(path, map_location, mmap)
            require_whole(path, content)
            return content
    raise UserError(f'{path} {what_else(path, head)}')


def is_safetensors(path: str) -> bool:
    """Whether a readable file is of safetensors, by its content."""
    with open(osp.expanduser(path), 'rb') as file:
        head = file.read(16)
    return not _is_zip(head) and _has_safetensors_header(head)


def check_target(path: str, force: bool) -> None:
    """Check beforehand whether :func:`write_checkpoint` would refuse.

    Args:
        path (str): The file to be written.
        force (bool): Whether an existing file may be replaced.

    Raises:
        UserError: If the suffix is unknown, the folder is missing, or the file exists.
    """
    path = osp.expanduser(path)
    if not path.endswith(SUFFIXES):
        raise UserError(f'{path}: the name must end in {", ".join(SUFFIXES)}, which decides the format.')
    folder = osp.dirname(path) or '.'
    if not osp.isdir(folder):
        raise UserError(f'{path} cannot be written: the folder {folder} does not exist. Make it first.')
    if osp.isdir(path):
        raise UserError(f'{path} is a folder. Give the name of a file.')
    if osp.lexists(path) and not force:
        raise UserError(f'{path} exists already and is kept. Give another name, or --force (force=True) to replace it.')


def write_checkpoint(path: str, state_dict: Mapping[str, Tensor], force: bool = False,
                     meta: Mapping[str, str] | None = None, key: str | None = 'state_dict') -> None:
    """Write parameters to a file that appears under its name only when it is complete.

    Args:
        path (str): Ends in ``.safetensors``, or in ``.pth``, ``.pt`` or ``.bin`` for ``torch.save``.
        state_dict (Mapping[str, Tensor]): The parameters.
        force (bool): Replace an existing file. Defaults to False.
        meta (Mapping[str, str], optional): Notes on the origin, kept in the file. Defaults to None.
        key (str, optional): For ``torch.save``: where in the file the parameters stand, beside ``'meta'``; None makes
            them the whole file, without notes. Defaults to ``'state_dict'``.

    Raises:
        UserError: If the file may not or cannot be written; nothing is left behind.
    """
    path = osp.expanduser(path)
    check_target(path, force)
    # Of a tensor that is a view of a larger one, only the view is to be written.
    state_dict = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state_dict.items()}
    meta = dict(meta or {})
    if path.endswith('.safetensors'):
        from safetensors.torch import save_file
        _write(path, lambda target: save_file(state_dict, target, metadata={'format': 'pt', **meta}))
    else:
        content = state_dict if key is None else {'meta': meta, key: state_dict}
        _write(path, lambda target: torch.save(content, target))


def _write(path: str, save: Callable[[str], None]) -> None:
    temporary = f'{path}.{os.getpid()}.tmp'
    try:
        with open(temporary, 'xb') as file:
            mode = os.fstat(file.fileno()).st_mode
        save(temporary)
        os.chmod(temporary, mode)  # safetensors lets nobody else read its files
        with open(temporary, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(osp.dirname(path))
    except Exception as error:  # torch and safetensors wrap the errors of the disk in types of their own.
        raise UserError(f'{path} could not be written: {_first_sentence(error)}. Nothing was changed.') from error
    finally:
        if osp.exists(temporary):
            os.remove(temporary)


def _require_file(path: str) -> None:
    if osp.isdir(path):
        of_deepspeed = what_folder(path)
        if of_deepspeed:
            raise UserError(f'{path} {of_deepspeed}')
        inside = sorted(name for name in os.listdir(path) if name.endswith(SUFFIXES))
        hint = f'one of those in it: {", ".join(inside[:5])}' if inside else 'a checkpoint file'
        raise UserError(f'{path} is a folder. Give {hint}.')
    if osp.islink(path) and not osp.exists(path):
        raise MissingCheckpoint(f'{path} is a link to {os.readlink(path)}, which is not there. Fetch that file (a link '
                                'into .git/annex: git annex get).')
    if not osp.exists(path):
        raise MissingCheckpoint(f'{path} does not exist (working folder: {os.getcwd()}). Check the path.')
    if not osp.isfile(path):
        raise UserError(f'{path} is no ordinary file. Give a checkpoint file.')
    if osp.getsize(path) == 0:
        raise UserError(f'{path} is empty. Fetch or write it again.')


def _is_zip(head: bytes) -> bool:
    return head.startswith(b'PK\x03\x04')


def _is_pickle(head: bytes) -> bool:
    """The format of ``torch.save`` before PyTorch 1.6."""
    return head.startswith(b'\x80')


def _has_safetensors_header(head: bytes) -> bool:
    return head[8:9] == b'{' and 2 <= int.from_bytes(head[:8], 'little') <= LONGEST_SAFETENSORS_HEADER


def _read_zip(path: str, map_location: Any, mmap: bool) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # zipfile raises half a dozen types for damaged files.
        raise UserError(f'{path} is cut off or damaged: it begins as a checkpoint, and its end is missing or broken. '
                        f'Fetch it again ({osp.getsize(path):,} bytes are here).') from error
    if not any(name.endswith('data.pkl') for name in names):
        raise UserError(f'{path} is a zip archive of other files ({", ".join(map(shown, names[:3]))}). Unpack it, '
                        'and give the checkpoint file in it.')
    if any(name.endswith('constants.pkl') for name in names):
        raise UserError(f'{path} is a TorchScript program and no checkpoint. Save the state_dict() of the model that '
                        'it was made of.')
    require_checksums(path)
    return _load(path, lambda: read_zip(path, map_location, mmap))


def _read_pickle(path: str, map_location: Any, mmap: bool) -> Any:
    if is_tar(path):  # whatever it begins with
        raise UserError(f'{path} {TAR}')
    return _load(path, lambda: read_legacy(path, map_location))


def _load(path: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except pickle.UnpicklingError as error:
        reason, unknown = _first_sentence(error), re.search(r'GLOBAL ([\w.]+)', str(error))
        if unknown:
            advice = (OPTIMIZER_FILE if unknown[1].startswith('deepspeed.') else
                      'If you trust the file, open it where that comes from, and save the state_dict alone')
            raise UnsafeCheckpoint(f'{path} can be read only with {unknown[1]}, which may run code; it was not run. '
                                   f'{advice}.') from error
        raise UnsafeCheckpoint(f'{path} is not a checkpoint, or a broken one, or would run code, which it did not: '
                               f'{shown(reason)}. Fetch it again, or from another source.') from error
    except Exception as error:  # Damage makes a dozen types.
        if 'CUDA' in str(error):  # the device's fault, not the file's
            raise
        raise _broken(path, shown(_first_sentence(error))) from error


def _broken(path: str, reason: str) -> UserError:
    return UserError(f'{path} is damaged or cut off: {reason}. Fetch it again ({osp.getsize(path):,} bytes are here).')


def _read_safetensors(path: str, map_location: Any, mmap: bool) -> dict[str, Tensor]:
    _require_whole_safetensors(path)
    from safetensors import SafetensorError, safe_open
    device = map_location if isinstance(map_location, (str, torch.device)) else 'cpu'
    try:
        with safe_open(path, framework='pt') as file:
            return {name: file.get_tensor(name).to(device) for name in file.keys()}
    except SafetensorError as error:
        raise _broken(path, _first_sentence(error)) from error


def _require_whole_safetensors(path: str) -> None:
    size = osp.getsize(path)
    with open(path, 'rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        header = file.read(length)
    needed = 8 + length
    if len(header) == length:
        try:
            ends = [entry['data_offsets'][1] for name, entry in json.loads(header).items() if name != '__metadata__']
            needed += max(map(operator.index, ends), default=0)
        except Exception as error:  # Whatever damage makes of JSON, the depth of its lists too.
            raise UserError(f'{path} begins as a safetensors file, but is damaged: its header cannot be read. Fetch it '
                            'again.') from error
    if size < needed:
        raise UserError(f'{path} is cut off: {size:,} bytes are here of at least {needed:,}. Fetch it again.')


def _first_sentence(error: Exception | str) -> str:
    return re.split(r'\n|\.\s', str(error).strip() or type(error).__name__)[0].rstrip('. ')
