"""The checksums of a checkpoint: a flipped bit is a wrong weight that nothing else tells of.

``torch.load`` does not look at them. Comparing reads the whole file, once per process. Files of ``torch.save`` have
them since PyTorch 1.6; earlier ones and safetensors have none.
"""

import os
import zipfile

from ...errors import UserError
from .archives import require_plain

# Set to anything but 0, it leaves the comparison out.
SWITCH = 'MMSIMMIM_SKIP_CHECKSUMS'

_compared = set()


def require_checksums(path: str) -> None:
    """Compare the checksums of a zip file with its content, unless this process has done so.

    Args:
        path (str): The file.

    Raises:
        UserError: One does not match.
    """
    if _state(path) in _compared:
        return
    try:
        part = find_broken_part(path)
    except Exception as error:  # zipfile and zlib raise several types on a broken file.
        reason = str(error).rstrip('. ') or type(error).__name__
        raise UserError(f'{path} is damaged: {reason}. Fetch it again ({os.path.getsize(path):,} bytes are here).'
                        ) from error
    if part is not None:
        raise UserError(f'{path} is damaged: its part {part!r} does not match its checksum. Fetch it again. (A file '
                        f'written with torch.serialization.set_crc32_options(False) has none; {SWITCH}=1 in the '
                        'environment reads it.)')


def find_broken_part(path: str) -> str | None:
    """Read a whole zip file.

    Args:
        path (str): The file.

    Returns:
        str | None: The first part that does not match its checksum; None if all do, or if they are not to be compared.
    """
    state = _state(path)
    with zipfile.ZipFile(path) as archive:
        require_plain(archive, os.path.getsize(path))
        if os.environ.get(SWITCH, '0') not in ('', '0'):
            return None
        part = archive.testzip()
    if part is None:
        _compared.add(state)
    return part


def _state(path: str) -> tuple:
    """What tells a file from another, or from itself after a change."""
    found = os.stat(path)
    return os.path.realpath(path), found.st_ino, found.st_size, found.st_mtime_ns
