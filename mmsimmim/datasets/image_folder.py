"""All images below a folder, without labels."""

import heapq
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ..errors import UserError, shown
from ..registry import DATASETS
from .listing import list_files
from .seeding import SampleIndex
from .subsets import choose_fraction, choose_listed, choose_split, path_hash, position, read_list
from .transforms.loading.image_bytes import UnreadableImage, open_file

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm', '.pbm',
                  '.pnm', '.gif')


@DATASETS.register_module()
class ImageFolder(BaseDataset):
    """Every image below ``data_root``, at any depth, as unlabelled training data.

    Linked folders are followed, each real folder once; names that begin with a dot are left out. What is no regular
    file (pipes, devices, sockets) or cannot be looked up (circular links) is left out and named in the log. The order
    is that of the sorted relative paths. A sample has the keys ``img_path``, ``sample_idx`` and ``sample_id``, an
    integer that depends on the relative path alone.

    A file that :class:`LoadImage` cannot read is replaced by another one, drawn from the sample's own random numbers.
    Where none of the 'val' files tried can be read, a training file replaces it: a few broken held-out files
    should not stop a training. Held-out files never replace training files. The packed sample records it in
    the field ``skipped_files`` of its meta information, which :class:`SkippedFilesHook` turns into log lines.

    Args:
        data_root (str): The folder.
        split (str, optional): 'train' or 'val' to divide the folder, or None to use all of it. Which side a file is
            on depends on its relative path alone, so that adding files moves no other. Defaults to None.
        val_ratio (float): Share of the files that 'val' gets (at least one file). Defaults to 0.05.
        suffixes (Sequence[str]): Endings that count as images, upper or lower case.
            Defaults to the common ones that Pillow reads.
        max_refetch (int): Files to try in place of unreadable ones before giving up, and the training files to try
            then in place of 'val' files. Defaults to 100.
        fraction (float): Share of the files to take, in (0, 1]: the same of each folder, by a hash of the paths. It is
            taken of what ``split`` and ``list_file`` leave; see :func:`choose_fraction`. Defaults to 1.0.
        fraction_seed (int): Another one, another choice; 0.2 contains 0.1 of the same seed. Defaults to 0.
        list_file (str, optional): Text file that names the files to take, of those that ``split`` leaves; see
            :func:`choose_listed`. Defaults to None: all.
        search (bool): Whether to search the folder. If not, the files are those of ``list_file``, whatever else there
            is, with a path below ``data_root`` and nothing else on each line. Defaults to True.
        **kwargs: Further arguments of MMEngine's ``BaseDataset``: ``pipeline``, ``indices``, ``test_mode``, ...

    Raises:
        UserError: No such folder, no images in it, none on the wanted side of the split, in the list or in the
            fraction, or the list names what is not there; from ``dataset[i]`` if no image could be read in
            ``max_refetch`` tries.

    Examples:
        >>> ImageFolder(data_root='demo/data', split='train', pipeline=[dict(type='mmsimmim.LoadImage')])
    """

    def __init__(self,
                 data_root: str,
                 split: str | None = None,
                 val_ratio: float = 0.05,
                 suffixes: Sequence[str] = IMAGE_SUFFIXES,
                 max_refetch: int = 100,
                 fraction: float = 1.0,
                 fraction_seed: int = 0,
                 list_file: str | None = None,
                 search: bool = True,
                 **kwargs) -> None:
        if split not in (None, 'train', 'val'):
            raise UserError(f"ImageFolder: split must be 'train', 'val' or None, got {split!r}.")
        if not isinstance(val_ratio, (int, float)) or not 0 < val_ratio < 1:
            raise UserError(f'ImageFolder: val_ratio must lie between 0 and 1, got {val_ratio!r}.')
        if not search and list_file is None:
            raise UserError('ImageFolder: with search=False the files are those of list_file, which is None.')
        _check_fraction(fraction, fraction_seed)
        suffixes = [suffixes] if isinstance(suffixes, str) else suffixes
        self.split = split
        self.val_ratio = val_ratio
        self.fraction = fraction
        self.fraction_seed = fraction_seed
        self.list_file = list_file
        self.search = search
        self.suffixes = tuple('.' + suffix.lower().lstrip('.') for suffix in suffixes)
        self.stand_ins: list[str] = []
        super().__init__(data_root=data_root, data_prefix={}, max_refetch=max_refetch, **kwargs)

    def load_data_list(self) -> list[str]:
        """Search the folder.

        Returns:
            list[str]: Paths relative to ``data_root``, sorted. (Not dictionaries: millions of them take gigabytes.)
        """
        self._check_root()
        paths = self._list()
        if not paths:
            raise UserError(f'No images in {self.data_root!r} or the folders below it. Looked for names that end in '
                            f'{", ".join(self.suffixes)}; set `suffixes` if yours end otherwise.')
        chosen = choose_split(paths, self.split, self.val_ratio)
        if not chosen:
            raise UserError(f'The split {self.split!r} of {self.data_root!r} is empty: the folder holds {len(paths)} '
                            'image(s), too few to divide. Add images, or use split=None for training.')
        if self.split == 'val':
            # A few next to the boundary, which bounds memory, and changes little with new files.
            training = choose_split(paths, 'train', self.val_ratio)
            self.stand_ins = heapq.nsmallest(self.max_refetch, training, key=position)
        return self._choose(chosen, paths)

    def get_data_info(self, idx: int) -> dict:
        """The path of a sample.

        Args:
            idx (int): Its index; a negative one counts from the end.

        Returns:
            dict: ``img_path`` (str), ``sample_idx`` (the given index) and ``sample_id`` (64-bit integer, the same
            wherever the folder lies and whatever else is in it).
        """
        idx = idx if idx >= 0 else len(self) + idx
        return self._describe(self._relative_path(idx), idx)

    def name_of(self, idx: int) -> str:
        """The path of an image below ``data_root``."""
        return self._relative_path(idx)

    def open(self, idx: int) -> BinaryIO:
        """The file of an image, for reading.

        Raises:
            OSError: It cannot be opened.
            UnreadableImage: It is known not to be readable.
        """
        described = self._load(self._relative_path(idx), idx)
        if 'img_bytes' in described:
            return io.BytesIO(described['img_bytes'])
        return io.BufferedReader(open_file(described['img_path']))

    def __getitem__(self, idx: int) -> dict:
        """A sample after the pipeline; if its file cannot be read, another one in its place.

        Args:
            idx (int): Its index.

        Returns:
            dict: What the pipeline packs.
        """
        skipped: dict[str, str] = {}
        for path, index in self._candidates(idx if idx >= 0 else len(self) + idx):
            try:
                sample = self.pipeline(self._load(path, index))
                reason = 'the pipeline returned nothing for it'
            except UnreadableImage as error:
                sample, reason = None, str(error)
            if sample is not None:
                if path in self.stand_ins:
                    skipped = {name: f'{why}; the training file {path} stands in' for name, why in skipped.items()}
                return note_skipped(sample, skipped) if skipped else sample
            skipped[path] = reason
        raise UserError(self._nothing_readable(skipped))

    def _check_root(self) -> None:
        if not self.data_root:
            raise UserError('ImageFolder needs data_root, the folder that holds the images.')
        if not os.path.exists(self.data_root):
            raise UserError(f'The image folder {self.data_root!r} does not exist (working folder: {os.getcwd()}). '
                            'Set it to the folder that holds your images: --cfg-options data_root=FOLDER, or '
                            'train_dataloader.dataset.data_root and val_dataloader.dataset.data_root in a config. (A '
                            'variable data_root in a config does not reach what its base made of its own.)')
        if not os.path.isdir(self.data_root):
            raise UserError(f'data_root {self.data_root!r} is a file; give the folder that holds the images.')

    def _list(self) -> list[str]:
        """Relative paths of all images, in order."""
        return sorted(list_files(self.data_root, self.suffixes)) if self.search else read_list(self.list_file)

    def _choose(self, paths: list[str], known: list[str]) -> list[str]:
        """Those of the list, and of these a fraction, of the paths of a split; the list may name all known ones."""
        if self.fraction == 1 and (self.list_file is None or not self.search):
            return paths
        chosen_by_list = self.list_file is not None and self.search
        listed = choose_listed(paths, known, self.list_file) if chosen_by_list else paths
        chosen = choose_fraction(listed, self.fraction, self.fraction_seed, self._group_of)
        side = f'the split {self.split!r} of ' if self.split else ''
        choice = (f'{len(chosen)} of {len(paths)} images of {side}{self.data_root!r} (fraction={self.fraction:g}, '
                  f'fraction_seed={self.fraction_seed}, list_file={self.list_file!r})')
        if not chosen:
            raise UserError(f'{choice} is none. Set a larger fraction, or another list.')
        print_log(f'{choice} are used.', logger='current')
        return chosen

    def _group_of(self, path: str) -> str:
        """What gives its share to a fraction: the folder that a file is in."""
        return os.path.dirname(path)

    def _load(self, path: str, idx: int) -> dict:
        """What goes into the pipeline.

        Raises:
            UnreadableImage: It is known not to be readable.
        """
        return self._describe(path, idx)

    def _describe(self, path: str, idx: int) -> dict:
        return dict(img_path=os.path.join(self.data_root, path), sample_idx=idx, sample_id=path_hash(path))

    def _relative_path(self, idx: int) -> str:
        if not self.serialize_data:
            return self.data_list[idx]
        start = self.data_address[idx - 1] if idx > 0 else 0
        return os.fsdecode(self.data_bytes[start:self.data_address[idx]].tobytes())

    def _serialize_data(self) -> tuple[np.ndarray, np.ndarray]:
        """All paths as one array of bytes, and the end of each, which worker processes share without copies.

        Returns:
            tuple[np.ndarray, np.ndarray]: The bytes (uint8) and the ends (int64, one per path).
        """
        encoded = [os.fsencode(path) for path in self.data_list]
        self.data_list.clear()
        ends = np.cumsum([len(path) for path in encoded], dtype=np.int64)
        return np.frombuffer(b''.join(encoded), dtype=np.uint8), ends

    def _candidates(self, idx: int) -> Iterator[tuple[str, int]]:
        """Paths and indices: of the sample, then others without repetition, the same whenever it is asked for."""
        yield self._relative_path(idx), idx
        key = idx.key if isinstance(idx, SampleIndex) else (int(idx), )
        generator = np.random.default_rng((len(key), *key))
        others = generator.choice(len(self), size=min(len(self), self.max_refetch), replace=False).tolist()
        places = [(self._relative_path(other), other) for other in others if other != idx]
        # A stand-in has no index of its own in this dataset and takes the sample's.
        places += [(self.stand_ins[i], int(idx)) for i in generator.permutation(len(self.stand_ins))]
        for attempt, (path, other) in enumerate(places, start=1):
            yield path, SampleIndex(other, key=(*key, attempt)) if isinstance(idx, SampleIndex) else other

    def _nothing_readable(self, skipped: dict[str, str]) -> str:
        examples = '; '.join(f'{shown(path)}: {shown(reason)}' for path, reason in list(skipped.items())[:3])
        place, use = repr(self.data_root), 'use'
        if self.split is not None:
            place, use = f'the split {self.split!r} of {place}', dict(train='train on', val='validate on')[self.split]
        others = f'; {len(self.stand_ins)} of its training images are no better' if self.stand_ins else ''
        return (f'None of {len(skipped)} images tried for {place} can be read (it lists {len(self)}{others}). '
                f'Stopped, as there is nothing to {use}. For example {examples}.')


def _check_fraction(fraction: float, seed: int) -> None:
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction <= 1:
        raise UserError(f'ImageFolder: fraction must be a number above 0 and up to 1, got {fraction!r}.')
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise UserError(f'ImageFolder: fraction_seed must be an integer from 0 to 2**64 - 1, got {seed!r}.')


def note_skipped(sample: dict, skipped: dict[str, str]) -> dict:
    """Record in a packed sample which files it replaces.

    Args:
        sample (dict): What the pipeline packed.
        skipped (dict[str, str]): Reason for each unreadable file.

    Returns:
        dict: The sample.
    """
    if 'data_samples' in sample:
        sample['data_samples'].set_metainfo(dict(skipped_files=skipped))
    else:
        for path, reason in skipped.items():
            warnings.warn(f'{shown(path)} cannot be read and is left out: {shown(reason)}')
    return sample
