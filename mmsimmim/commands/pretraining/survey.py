"""What there is in the data, before anything starts."""

import hashlib
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from ...datasets import ImageFolder
from ...datasets.transforms.loading.image_bytes import UnreadableImage, open_image, reason_of
from ...datasets.transforms.loading.losses import Lost
from ...errors import UserError, shown
from ...registry import DATASETS

# Images whose headers are read: enough for the sizes and formats of any folder.
HEADERS = 2000
# Files among which copies are looked for: those of the same length are read whole.
COPIES = 100_000
# Images that are read whole.
READ = 16
# What a thread waits for is the storage.
THREADS = 16


class Survey(NamedTuple):
    """What was found.

    Attributes:
        options (dict[str, Any]): The settings with which the config reads the data.
        num_images (int): Images, held-out ones included.
        num_training (int): Images without those held out.
        looked_at (int): Images whose headers were read, spread over all.
        sizes (list[tuple[int, int]]): Width and height of those that can be read, in pixels.
        formats (dict[str, int]): How many of those are JPEG, PNG, ...
        unreadable (list[str]): Names of the others, and why.
        copies (list[list[str]]): Names of files with the same content; None if there are too many files to look.
        lost (list[str]): What some of the images hold that is not read, a sentence each.
    """

    options: dict[str, Any]
    num_images: int
    num_training: int
    looked_at: int
    sizes: list[tuple[int, int]]
    formats: dict[str, int]
    unreadable: list[str]
    copies: list[list[str]] | None
    lost: list[str]

    def lines(self) -> list[str]:
        """What a person should know of it, a sentence or two each."""
        return [self._found(), *self._warn_of_unreadable(), *self._warn_of_copies(),
                *(f'WARNING: {text}' for text in self.lost)]

    def _found(self) -> str:
        widths, heights = zip(*self.sizes)
        formats = ', '.join(f'{count:,} {name}' for name, count in Counter(self.formats).most_common())
        sample = '' if self.looked_at == self.num_images else f' in {self.looked_at:,} looked at'
        held_out = self.num_images - self.num_training
        verb = 'is' if held_out == 1 else 'are'
        return (f'{self.num_images:,} images ({formats}{sample}), {min(widths)} to {max(widths)} pixels wide and '
                f'{min(heights)} to {max(heights)} high. {held_out:,} of them {verb} held out.')

    def _warn_of_unreadable(self) -> Iterable[str]:
        if self.unreadable:
            yield (f'{len(self.unreadable):,} of {self.looked_at:,} looked at cannot be read and are left out, such as '
                   f'{self.unreadable[0]}.')

    def _warn_of_copies(self) -> Iterable[str]:
        if self.copies:
            surplus = sum(map(len, self.copies)) - len(self.copies)
            yield (f'{surplus:,} are copies of others and count twice, such as {" and ".join(self.copies[0][:2])}.')


def survey(options: dict[str, Any]) -> Survey:
    """Look through the data.

    Args:
        options (dict[str, Any]): As :func:`source_options` gives them.

    Returns:
        Survey: What was found.

    Raises:
        UserError: There are no images, or one alone, or none that can be read.
    """
    settings = {key: value for key, value in options.items() if key != 'dataset_type'}
    settings['type'] = options['dataset_type']
    everything: ImageFolder = DATASETS.build(settings)
    if len(everything) < 2:
        raise UserError(f'{options["data_root"]} holds a single image: one is held out to measure on, and nothing is '
                        'left to train on. Give two at least; to learn what holds for others takes some hundred.')
    training = DATASETS.build(dict(settings, split='train'))
    chosen = range(0, len(everything), max(1, len(everything) // HEADERS))
    with ThreadPoolExecutor(THREADS) as pool:
        headers = list(pool.map(lambda idx: _header(everything, idx), chosen))
    copies = None
    if len(everything) <= COPIES:
        copies = [[shown(dataset.name_of(idx)) for dataset, idx in group] for group in same_content([everything])]
    known = [header for header in headers if isinstance(header, tuple)]
    unreadable = [header for header in headers if not isinstance(header, tuple)]
    if not known:
        raise UserError(f'None of {len(headers)} images in {options["data_root"]} can be read. For example '
                        f'{unreadable[0]}.')
    return Survey(options, len(everything), len(training), len(headers), [size for size, _ in known],
                  dict(Counter(kind for _, kind in known)), unreadable, copies, _lost(settings))


def _header(dataset: ImageFolder, idx: int) -> tuple[tuple[int, int], str] | str:
    """Size and format of an image, or its name and why it cannot be read."""
    try:
        with dataset.open(idx) as file, open_image(file) as image:
            return image.size, image.format
    except Exception as error:  # Pillow's decoders raise many types for broken files
        return f'{shown(dataset.name_of(idx))} ({shown(reason_of(error))})'


def _lost(settings: dict[str, Any]) -> list[str]:
    """What readers say of some images that hold more than they read."""
    dataset = DATASETS.build(dict(settings, pipeline=[dict(type='mmsimmim.LoadImage')]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for idx in range(0, len(dataset), max(1, len(dataset) // READ)):
            with suppress(UserError):
                dataset[idx]
    return [shown(str(warning.message)) for warning in caught if issubclass(warning.category, Lost)]


def same_content(datasets: Sequence[ImageFolder]) -> list[list[tuple[ImageFolder, int]]]:
    """Groups of files with the same content, of which only those of the same length are read.

    Args:
        datasets (Sequence[ImageFolder]): Where to look.

    Returns:
        list[list[tuple[ImageFolder, int]]]: Dataset and index of each file, of groups of two and more.
    """
    files = [(dataset, idx) for dataset in datasets for idx in range(len(dataset))]
    with ThreadPoolExecutor(THREADS) as pool:
        by_length: dict[int, list] = defaultdict(list)
        for file, length in zip(files, pool.map(lambda file: _length(*file), files)):
            by_length[length].append(file)
        alike = [file for length, group in by_length.items() if length > 0 and len(group) > 1 for file in group]
        by_content: dict[bytes | None, list] = defaultdict(list)
        for file, digest in zip(alike, pool.map(lambda file: _digest(*file), alike)):
            by_content[digest].append(file)
    return [group for digest, group in by_content.items() if digest is not None and len(group) > 1]


def _length(dataset: ImageFolder, idx: int) -> int:
    """Bytes of a file; 0 if it cannot be read."""
    try:
        with dataset.open(idx) as file:
            return file.seek(0, os.SEEK_END)
    except (OSError, UnreadableImage):
        return 0


def _digest(dataset: ImageFolder, idx: int) -> bytes | None:
    """A hash of a file's content; None if it cannot be read."""
    digest = hashlib.blake2b()
    try:
        with dataset.open(idx) as file:
            while block := file.read(2**20):
                digest.update(block)
    except (OSError, UnreadableImage):
        return None
    return digest.digest()
