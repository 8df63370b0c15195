"""Writing a file of packed images so that a kill at any moment costs no more than the last images."""

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...errors import UserError, shown
from .file import COMMIT, MANIFEST, PATHS, checksum, import_lmdb, key_of, read_manifest, read_paths

MAP_SIZE = 2**30  # bytes that the database may have at first; it is doubled as often as necessary


class Entry(NamedTuple):
    """An image on its way into the file.

    Args:
        path (str): Relative, with ``/``.
        content (bytes): What is stored.
        reason (str): Why it cannot be read; '' if it can.
        missing (bool): Whether there is no content.
    """

    path: str
    content: bytes
    reason: str = ''
    missing: bool = False


class Conversion:
    """The unfinished file; what is committed to it survives a kill at any moment.

    Args:
        path (str): The unfinished file.
        begin (dict): The manifest, less what changes as it goes on.
        paths (list[str]): All images.
    """

    def __init__(self, path: str, begin: dict, paths: list[str]) -> None:
        self.path = path
        self._lmdb = import_lmdb()
        self._database = self._open()
        try:
            with self._database.begin() as records:
                self._manifest = read_manifest(records, path) if records.get(MANIFEST) else None
                known = read_paths(records)
            if self._manifest is None:
                self._manifest = dict(begin, done=0, finished=False, missing={})
                self._write(0, [(PATHS, b'\0'.join(map(os.fsencode, paths)))])
            else:
                require_same(self._manifest, begin, path, known, paths)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> 'Conversion':
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()
        if self._manifest['finished'] and os.path.exists(f'{self.path}-lock'):
            os.remove(f'{self.path}-lock')

    @property
    def done(self) -> int:
        """Images in the file."""
        return self._manifest['done']

    def commit(self, batch: list[Entry]) -> None:
        """Store images."""
        start, reasons = self.done, {entry.path: entry.reason for entry in batch if entry.reason}
        record = dict(checksums=[checksum(entry.content) for entry in batch], unreadable=reasons)
        self._manifest['missing'].update({entry.path: entry.reason for entry in batch if entry.missing})
        self._manifest['done'] += len(batch)
        self._write(start, [(COMMIT + start.to_bytes(8, 'big'), json.dumps(record).encode()),
                            *((key_of(entry.path), entry.content) for entry in batch)])

    def finish(self) -> None:
        """Note that all is in."""
        if self._manifest['finished']:  # and killed before the file got its name
            return
        self._manifest['finished'] = True
        self._write(self.done, [])

    def _open(self) -> Any:
        try:
            os.makedirs(os.path.dirname(self.path) or '.', exist_ok=True)
            return self._lmdb.open(self.path, subdir=False, map_size=MAP_SIZE)
        except (OSError, self._lmdb.Error) as error:
            raise UserError(f'Cannot write {self.path}: {getattr(error, "strerror", None) or error}') from error

    def _write(self, start: int, records: list[tuple[bytes, bytes]]) -> None:
        while True:
            try:
                with self._database.begin(write=True) as transaction:
                    self._require_alone(transaction, start)
                    transaction.put(MANIFEST, json.dumps(self._manifest).encode())
                    for key, value in records:
                        transaction.put(key, value)
                return
            except self._lmdb.MapFullError:
                self._database.set_mapsize(2 * self._database.info()['map_size'])
            except self._lmdb.Error as error:
                raise UserError(f'Cannot write {self.path}: {error}. What is packed so far stays; the same command '
                                'goes on from there.') from error

    def _require_alone(self, transaction: Any, start: int) -> None:
        text = transaction.get(MANIFEST)
        if text and (json.loads(text)['done'], json.loads(text)['finished']) != (start, False):
            raise UserError(f'Another process is packing into {self.path}, too. This one stops.')


def require_same(manifest: dict, begin: dict, path: str, known: Sequence[str] = (), paths: Sequence[str] = ()) -> None:
    """Stop unless a file that is there belongs to this conversion.

    Args:
        manifest (dict): Of the file.
        begin (dict): Of the conversion.
        path (str): The file.
        known (Sequence[str]): The images of the file.
        paths (Sequence[str]): The images of the folder.

    Raises:
        UserError: It belongs to another folder, has other options, or the folder has changed.
    """
    advice = f'Give another name for the new file, or delete {path}.'
    if manifest['source'] != begin['source']:
        raise UserError(f'{path} holds the images of {manifest["source"]}, not of {begin["source"]}. {advice}')
    for name, now in begin['options'].items():
        if (before := manifest['options'][name]) != now:
            raise UserError(f'{path} was begun with {name} = {before}, not {now}. {advice}')
    if manifest['count'] != begin['count'] or list(known) != list(paths):
        changed = sorted(set(known) ^ set(paths))
        examples = f', such as {", ".join(map(shown, changed[:3]))}' if changed else ''
        raise UserError(f'{begin["source"]} has changed since {path} was begun: there were {manifest["count"]} images, '
                        f'now there are {begin["count"]}{examples}. {advice}')
