"""Many images in one file: an LMDB database of the files' bytes, with a list of them and their checksums.

Keys that begin with a zero byte, which no path contains, are not images: the manifest, the list of paths, and a record
of each commit with the checksums of what it added. All other keys are relative paths, so that any program that reads
LMDB, MMEngine's ``LmdbBackend`` among them, finds the images.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import UserError
from ...json_text import parse_json

FORMAT = 'mmsimmim packed images, version 1'
MANIFEST, PATHS, COMMIT = b'\0manifest', b'\0paths', b'\0commit'
# The suffix of an unfinished file.
UNFINISHED = '.part'
COPY = 'Copy the file again, or pack anew.'
MAX_KEY = 511  # of LMDB, bytes

# The databases that are open, and in which process, by device and inode: LMDB refuses to open one twice.
_open: dict[tuple[int, int], tuple[Any, int]] = {}


def import_lmdb() -> Any:
    """The library.

    Raises:
        UserError: It is not installed.
    """
    try:
        import lmdb
    except ImportError as error:
        raise UserError('Packed images take the library lmdb: pip install lmdb') from error
    return lmdb


class PackedFile:
    """A finished file of packed images, opened for reading.

    Safe in any number of processes, forked or spawned: what is pickled is the path, and each process opens the file
    for itself when it first reads an image.

    Args:
        path (str): The file.

    Attributes:
        manifest (dict): ``source``, ``options``, ``count`` and ``missing``, which has the reason for each path whose
            file could not be read.

    Raises:
        UserError: There is no such file, it is not a file of packed images, is truncated, or unfinished.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        check_whole(path)
        self._file = _file_of(path)
        try:
            with self._begin() as records:
                self.manifest = read_manifest(records, path)
            if not self.manifest['finished']:
                raise UserError(_not_finished(path, path.removesuffix(UNFINISHED)))
        except UserError:
            self.close()
            raise

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.path!r})'

    def close(self) -> None:
        """Close the file in this process; it is opened again when it is read."""
        _close(self._file)

    def paths(self) -> list[str]:
        """Paths of the images relative to the folder that was packed, with ``/``, in its order."""
        with self._begin() as records:
            return read_paths(records)

    def read(self, path: str) -> bytes | None:
        """The bytes of an image.

        Args:
            path (str): One of :meth:`paths`.

        Returns:
            bytes | None: None if the record is missing, or the database is damaged where it lies.
        """
        try:
            with self._begin() as records:
                return records.get(key_of(path))
        except UserError:
            return None

    def checksums(self) -> list[str]:
        """The checksum (:func:`checksum`) of each image, in the order of :meth:`paths`."""
        with self._begin() as records:
            return [number for commit in read_commits(records, self.path) for number in commit['checksums']]

    def unreadable(self) -> dict[str, str]:
        """The reason why each image is unreadable that could not be decoded, or whose file could not be opened."""
        with self._begin() as records:
            commits = read_commits(records, self.path)
            return {path: why for commit in commits for path, why in commit['unreadable'].items()}

    def surplus(self) -> list[str]:
        """Keys of records that are neither images of the list nor part of the format."""
        with self._begin() as records:
            known = {key_of(path) for path in read_paths(records)}
            keys = (key for key in records.cursor().iternext(keys=True, values=False) if not key.startswith(b'\0'))
            return [os.fsdecode(key) for key in keys if key not in known]

    @contextmanager
    def _begin(self) -> Iterator[Any]:
        try:
            with _database(self.path, self._file).begin() as records:
                yield records
        except import_lmdb().Error as error:
            raise UserError(f'{self.path} is damaged: {error}. {COPY}') from error


def _file_of(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _database(path: str, file: tuple[int, int]) -> Any:
    """The database in a file, opened once in this process."""
    database, process = _open.get(file, (None, 0))
    if process != os.getpid():  # the first time, or since a fork
        _close(file)
        lmdb = import_lmdb()
        try:
            database = lmdb.open(path, subdir=False, readonly=True, lock=False, readahead=False)
        except lmdb.Error as error:
            raise UserError(f'{path} is not a file of packed images: {error}') from error
        _open[file] = database, os.getpid()
    return database


def _close(file: tuple[int, int]) -> None:
    if file in _open:
        _open.pop(file)[0].close()


def check_whole(path: str) -> None:
    """Stop where a file is missing or truncated: reading beyond its end would crash the process.

    Args:
        path (str): The file.

    Raises:
        UserError: It is missing, a folder, cut off, or no LMDB database.
    """
    if not os.path.exists(path):
        if os.path.exists(path + UNFINISHED):
            raise UserError(_not_finished(path + UNFINISHED, path))
        raise UserError(f'The file of packed images {path!r} does not exist (working folder: {os.getcwd()}). Make it '
                        'with tools/dataset_converters/pack_images.py.')
    if os.path.isdir(path):
        raise UserError(f'{path!r} is a folder, not a file of packed images: mmsimmim.ImageFolder reads folders.')
    if not os.path.getsize(path):
        raise UserError(f'{path} is not a file of packed images: it is empty')
    file = _file_of(path)
    database = _database(path, file)
    size, needed = os.path.getsize(path), (database.info()['last_pgno'] + 1) * database.stat()['psize']
    if size < needed:
        _close(file)
        raise UserError(f'{path} is cut off: it has {size} bytes of {needed}. Copy it again.')


def _not_finished(part: str, path: str) -> str:
    return (f'{part} was not packed to the end. The command that began it goes on from there: '
            f'tools/dataset_converters/pack_images.py FOLDER {path}, with the same options.')


def read_manifest(records: Any, path: str) -> dict:
    """The manifest.

    Args:
        records (lmdb.Transaction): The database.
        path (str): Its file, for the message.

    Returns:
        dict: See :class:`PackedFile`.

    Raises:
        UserError: The database holds something else.
    """
    text = records.get(MANIFEST)
    manifest = _parse(text, 'manifest', path) if text else {}
    if manifest.get('format') != FORMAT:
        raise UserError(f'{path} is an LMDB database, but not one that tools/dataset_converters/pack_images.py of this '
                        'version wrote.')
    for key, kind in (('source', str), ('options', dict), ('count', int), ('finished', bool), ('missing', dict)):
        if type(manifest.get(key)) is not kind:
            raise UserError(f'{path} is damaged: its manifest has no {key} of type {kind.__name__}. {COPY}')
    _require_words(manifest['missing'], path)
    return manifest


def read_paths(records: Any) -> list[str]:
    """The list of paths, in order."""
    return [os.fsdecode(path) for path in records.get(PATHS, b'').split(b'\0') if path]


def read_commits(records: Any, path: str) -> Iterator[dict]:
    """What each commit added: ``checksums`` (list), and ``unreadable``, reasons by path; or UserError."""
    cursor = records.cursor()
    cursor.set_range(COMMIT)
    for key, value in cursor:
        if not key.startswith(COMMIT):
            return
        commit = _parse(value, 'list of checksums', path)
        checksums, unreadable = commit.get('checksums'), commit.get('unreadable')
        if type(checksums) is not list or not all(type(number) is str for number in checksums):
            raise UserError(f'{path} is damaged: a list of checksums holds something else. {COPY}')
        _require_words(unreadable, path)
        yield commit


def _parse(text: bytes, what: str, path: str) -> dict:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise UserError(f'{path} is damaged: its {what} cannot be read. {COPY}') from error
    if type(content) is not dict:
        raise UserError(f'{path} is damaged: its {what} holds something else. {COPY}')
    return content


def _require_words(reasons: Any, path: str) -> None:
    if type(reasons) is not dict or not all(type(reason) is str for reason in reasons.values()):
        raise UserError(f'{path} is damaged: its reasons for unreadable images are something else. {COPY}')


def key_of(path: str) -> bytes:
    """The key of an image: its path, the end of which is a checksum where LMDB cannot take all of it."""
    key = os.fsencode(path)
    if len(key) <= MAX_KEY:
        return key
    return key[:MAX_KEY - 32] + checksum(key).encode()


def checksum(content: bytes) -> str:
    """128 bits of BLAKE2b, in hexadecimal."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
