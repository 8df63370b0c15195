"""Files that are no checkpoints, recognised by their first bytes."""

import contextlib
import json
import tarfile

from ...errors import shown

TAR = ('is a tar archive: of other files, or a checkpoint of the first versions of PyTorch, which cannot be read '
       'safely. Unpack it and give the file in it, or save the state_dict again where it comes from.')


def is_tar(path: str) -> bool:
    """Whether a file is a tar archive, whatever it begins with; never fails."""
    with contextlib.suppress(Exception):  # On damaged files tarfile raises more types than it knows.
        return tarfile.is_tarfile(path)
    return False


def what_else(path: str, head: bytes) -> str:
    """Describe a file that is no checkpoint, and what to do.

    Args:
        path (str): The file.
        head (bytes): Its first bytes.

    Returns:
        str: A sentence that lacks the name of the file, or two.
    """
    start = head.lstrip(b'\xef\xbb\xbf \t\r\n').lower()
    if start.startswith(b'version https://git-lfs'):
        return 'is a Git LFS pointer: the place of the checkpoint, not its content. Run git lfs pull where it lies.'
    if b'/annex/objects/' in head:
        return 'is a pointer of git-annex: the place of the checkpoint, not its content. Run git annex get.'
    if start.startswith((b'<!doctype', b'<html', b'<head', b'<?xml', b'<body')):
        return ('is a web page or the error message of a server, saved under the name of a checkpoint. Fetch the file '
                'itself, from the link that starts the download.')
    if start.startswith(b'{'):
        return _what_json(path)
    if is_tar(path):
        return TAR
    if head.startswith((b'\x1f\x8b', b'BZh', b'\xfd7zXZ', b'\x28\xb5\x2f\xfd', b'7z\xbc\xaf', b'Rar!')):
        return 'is a compressed archive. Unpack it, and give the checkpoint file in it.'
    return (f'is not a checkpoint: it begins with {head[:16]!r}. Files of torch.save (.pth, .pt, .bin) and '
            '.safetensors are understood.')


def _what_json(path: str) -> str:
    try:
        with open(path, encoding='utf-8') as file:
            parts = sorted(set(json.load(file)['weight_map'].values()))
        if not all(isinstance(part, str) for part in parts):
            raise TypeError(parts)
        names = ', '.join(map(shown, parts[:3]))
    except Exception:  # Anything may stand there, at any depth.
        return 'is a JSON file and holds no parameters. Give the checkpoint file.'
    return (f'is the index of a checkpoint in {len(parts)} parts ({names}{", ..." * (len(parts) > 3)}). '
            'Merge the parts into one file first: read each with read_checkpoint, join the dictionaries, and write '
            'them with write_checkpoint.')
