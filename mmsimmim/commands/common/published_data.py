"""Published datasets: their parts, the layout of these, and how to get there from archives and folders."""

import os
import shutil
import stat
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...errors import UserError

SPARE = 2**30  # bytes of the disk to leave free


class Part(NamedTuple):
    """A folder of a dataset.

    Args:
        place (str): Where it belongs, below the root of all data.
        needs (tuple[str]): Files or folders in it without which it is not complete.
        archive (str): The archive that holds it.
    """

    place: str
    needs: tuple[str, ...]
    archive: str

    @property
    def name(self) -> str:
        """Of the folder, in its place as in the archive."""
        return PurePosixPath(self.place).name


class PublishedDataset(NamedTuple):
    """A dataset to prepare.

    Args:
        parts (tuple[Part]): The folders.
        root (str): What they have in common.
        scope (str): The framework whose config reads it.
        config (str): That config, below the configs of the framework.
    """

    parts: tuple[Part, ...]
    root: str
    scope: str
    config: str


DATASETS = dict(
    coco=PublishedDataset(
        parts=(
            Part('coco/train2017', (), 'train2017.zip'),
            Part('coco/val2017', (), 'val2017.zip'),
            Part('coco/annotations', ('instances_train2017.json', 'instances_val2017.json'),
                 'annotations_trainval2017.zip')),
        root='coco',
        scope='mmdet',
        config='_base_/datasets/coco_instance.py'),
    ade20k=PublishedDataset(
        parts=(
            Part('ade/ADEChallengeData2016',
                 ('images/training', 'images/validation', 'annotations/training', 'annotations/validation'),
                 'ADEChallengeData2016.zip'), ),
        root='ade/ADEChallengeData2016',
        scope='mmseg',
        config='_base_/datasets/ade20k.py'))


def is_in_place(part: Part, root: Path) -> bool:
    """Whether a folder is there already. One that lacks what it needs stops everything: it is the user's."""
    target = root / part.place
    if not target.exists():
        if target.is_symlink():
            raise UserError(f'{target} is a link to {os.readlink(target)}, which does not exist. Remove the link.')
        return False
    lacking = [name for name in part.needs if not (target / name).exists()]
    if lacking or not any(target.iterdir()):
        raise UserError(f'{target} exists, but lacks {", ".join(lacking) or "everything"}. Move it away, or complete '
                        'it, and run this again.')
    print(f'{target}: there already, left as it is')
    return True


class Source(NamedTuple):
    """Where a part was found: a folder, or the entries of an archive below ``inner``."""

    path: Path
    inner: str = ''


def find_source(part: Part, given: list[Path]) -> Source | None:
    """Look for a part in archives and folders.

    Args:
        part (Part): The part.
        given (list[Path]): Archives, folders that hold the part, or the part itself.

    Returns:
        Source | None: The first that has all that the part needs.
    """
    for path in given:
        source = _find_in_folder(part, path) if path.is_dir() else _find_in_archive(part, path)
        if source is not None:
            return source
    return None


def _find_in_folder(part: Part, folder: Path) -> Source | None:
    for path in (folder, folder / part.name, folder / part.place):
        if path.name == part.name and path.is_dir() and all((path / name).exists() for name in part.needs):
            return Source(path.resolve())
    return None


def _find_in_archive(part: Part, path: Path) -> Source | None:
    with _open(path) as archive:
        names = [name for name in archive.namelist() if not name.startswith('__MACOSX/')]
    # Whatever is before the folder's name, such as 'coco/', is taken off.
    starts = (f'/{name}'.find(f'/{part.name}/') for name in names)
    for inner in {name[:start + len(part.name) + 1] for name, start in zip(names, starts) if start != -1}:
        if all(any(name.startswith(inner + need) for name in names) for need in part.needs):
            return Source(path, inner)
    return None


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f'{path} is no zip archive, or only a part of one ({error}). Download it again.') from error


def place(part: Part, source: Source, target: Path, copy: bool) -> None:
    """Move a part into place, or leave nothing.

    Args:
        part (Part): The part.
        source (Source): Where it is.
        target (Path): Where it belongs.
        copy (bool): Copy a folder instead of linking to it.

    Raises:
        UserError: The disk is too small, or the archive is damaged or would write outside of its folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.path.is_dir() and not copy:
        target.symlink_to(source.path, target_is_directory=True)
        print(f'{target}: link to {source.path}')
        return
    unfinished = target.with_name(f'.{part.name}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    try:
        number = _copy(source.path, unfinished) if source.path.is_dir() else unpack(source, unfinished)
        unfinished.rename(target)
    except OSError as error:
        raise UserError(f'{target} could not be made: {error}. Nothing of it was kept.') from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    print(f'{target}: {number} files from {source.path}')


def _copy(folder: Path, target: Path) -> int:
    files = [path for path in folder.rglob('*') if path.is_file()]
    _require_space(target.parent, sum(path.stat().st_size for path in files), folder)
    shutil.copytree(folder, target)
    return len(files)


def unpack(source: Source, target: Path) -> int:
    """Unpack the entries of one folder of an archive. Python's reader compares each with its checksum.

    Args:
        source (Source): The archive and the folder inside.
        target (Path): The new folder.

    Returns:
        int: Number of files.

    Raises:
        UserError: As for :func:`place`.
    """
    with _open(source.path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.startswith(source.inner)]
        for entry in entries:
            _require_harmless(entry, source)
        files = [entry for entry in entries if not entry.is_dir()]
        _require_space(target.parent, sum(entry.file_size for entry in files), source.path)
        for i, entry in enumerate(files, start=1):
            path = target / entry.filename[len(source.inner):]
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(entry) as packed, open(path, 'wb') as file:
                    shutil.copyfileobj(packed, file, 2**20)
            except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
                raise UserError(f'{source.path}: {entry.filename} cannot be unpacked ({error}). Download the archive '
                                'again; nothing of it was kept.') from error
            if i % 10000 == 0:
                print(f'{i} of {len(files)} files of {source.path} unpacked', file=sys.stderr)
    return len(files)


def _require_harmless(entry: zipfile.ZipInfo, source: Source) -> None:
    """An archive must not write outside of the folder that it is unpacked into."""
    name = entry.filename[len(source.inner):]
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    if is_link or name.startswith('/') or '..' in PurePosixPath(name).parts or '\\' in name or ':' in name:
        raise UserError(f'{source.path}: the entry {entry.filename!r} {"is a link" if is_link else "leads elsewhere"}; '
                        'this is not the archive of the dataset. Nothing of it was kept.')


def _require_space(folder: Path, needed: int, source: Path) -> None:
    free = shutil.disk_usage(folder).free - SPARE
    if needed > free:
        raise UserError(f'{source} needs {needed / 1e9:.1f} GB, and {folder} has room for {max(free, 0) / 1e9:.1f} GB. '
                        'Make room, or give another folder with --root.')
