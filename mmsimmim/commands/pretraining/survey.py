"""What there is in the data, before anything starts."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from ...datasets import ImageFolder
from ...datasets.transforms.loading.image_bytes import open_image
from ...errors import UserError

# Images whose header is read: enough for the sizes and formats of any folder.
SAMPLE = 2000


class Survey(NamedTuple):
    """What was found.

    Attributes:
        options (dict[str, Any]): What the config needs to read the data: ``dataset_type``, ``data_root``, ...
        num_images (int): Images, held-out ones included.
        num_training (int): Images without those held out.
        sizes (list[tuple[int, int]]): Width and height of each image looked at, in pixels.
        formats (dict[str, int]): How many of those are JPEG, PNG, ...
        unreadable (list[str]): Of those, what cannot be read, and why.
    """

    options: dict[str, Any]
    num_images: int
    num_training: int
    sizes: list[tuple[int, int]]
    formats: dict[str, int]
    unreadable: list[str]

    def lines(self) -> list[str]:
        """What a person should know of it."""
        widths, heights = zip(*self.sizes)
        formats = ', '.join(f'{count} {name}' for name, count in Counter(self.formats).most_common())
        lines = [f'{self.num_images} images ({formats}), {min(widths)}x{min(heights)} to {max(widths)}x{max(heights)} '
                 f'pixels; {self.num_images - self.num_training} of them are held out.']
        if self.unreadable:
            lines.append(f'{len(self.unreadable)} cannot be read and are left out, such as {self.unreadable[0]}.')
        return lines


def survey(data: str | os.PathLike) -> Survey:
    """Look through the data.

    Args:
        data (str | os.PathLike): A folder of images.

    Raises:
        UserError: There are no images, or none can be read.
    """
    root = os.path.abspath(os.fspath(data))
    training = ImageFolder(data_root=root, split='train')
    everything = ImageFolder(data_root=root)
    paths = [everything.get_data_info(idx)['img_path'] for idx in range(len(everything))]
    step = max(1, len(paths) // SAMPLE)
    sizes, formats, unreadable = [], Counter(), []
    for path in paths[::step]:
        try:
            with open_image(path) as image:
                sizes.append(image.size)
                formats[image.format] += 1
        except Exception as error:  # noqa: BLE001
            unreadable.append(f'{Path(path).relative_to(root)} ({error})')
    if not sizes:
        raise UserError(f'None of the {len(paths)} images in {root} can be read. For example {unreadable[0]}.')
    return Survey(dict(dataset_type='mmsimmim.ImageFolder', data_root=root), len(everything), len(training), sizes,
                  dict(formats), unreadable)
