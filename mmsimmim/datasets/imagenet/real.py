"""ImageNet's validation images with the ReaL labels."""

import os
import re

from ...errors import UserError, why_missing
from ...json_text import parse_json
from ...registry import DATASETS
from ..checks.report import some
from .test_set import ImageNetTestSet
from .wnids import WNIDS

NUM_IMAGES = 50_000
NAME = re.compile(r'ILSVRC2012_val_(\d{8})\.\w+')


@DATASETS.register_module()
class ImageNetReaL(ImageNetTestSet):
    """The validation images of ImageNet-1K with the reassessed labels of google-research/reassessed-imagenet.

    An image has any number of right labels; those without one are left out. Labels are found by the names of the
    images, ``ILSVRC2012_val_00000001.JPEG`` and so on, which may lie in one folder or in one per class. A sample has
    ``img_path`` and ``gt_label``, a list of the numbers of classes.

    Args:
        data_root (str): The folder of ImageNet-1K.
        data_prefix (str): The folder in it with the images. Defaults to 'val'.
        ann_file (str): The file with the labels, ``real.json`` of google-research/reassessed-imagenet; a relative path
            counts from ``data_root``. Defaults to 'real.json'.
        num_images (int, optional): See :class:`ImageNetTestSet`; those without labels count. Defaults to 50000.
        **kwargs: Further arguments of MMEngine's ``BaseDataset``.

    Raises:
        UserError: A folder or file is missing, the file holds something else, or images have other names; from
            ``dataset[i]`` if an image cannot be read.

    Examples:
        >>> ImageNetReaL('data/imagenet')[0]['gt_label']
        [970, 795]
    """

    def __init__(self, data_root: str, data_prefix: str = 'val', ann_file: str = 'real.json',
                 num_images: int | None = NUM_IMAGES, **kwargs) -> None:
        super().__init__(data_root=data_root, data_prefix=dict(img_path=data_prefix), ann_file=ann_file,
                         num_images=num_images, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Search the folder and read the labels.

        Returns:
            list[dict]: ``img_path`` and ``gt_label`` of each image that has labels, sorted by path.
        """
        labels, folder = _read_labels(self.ann_file), self.data_prefix['img_path']
        numbers = _numbers(self.list_images(folder), folder)
        return [dict(img_path=os.path.join(folder, path), gt_label=labels[number - 1])
                for path, number in numbers.items() if labels[number - 1]]


def _read_labels(path: str) -> list[list[int]]:
    """For each validation image, in the order of their numbers, the labels that are right."""
    if not os.path.isfile(path):
        raise UserError(f'The ReaL labels {path!r}: the file {why_missing(path)}. It is real.json of '
                        'github.com/google-research/reassessed-imagenet; ann_file of the dataset says where it is.')
    try:
        with open(path, encoding='utf-8') as file:
            labels = parse_json(file.read())
    except ValueError as error:
        raise UserError(f'The ReaL labels {path!r} are no JSON, or are cut off: {error}.') from error
    valid = range(len(WNIDS))
    if not (isinstance(labels, list) and len(labels) == NUM_IMAGES
            and all(isinstance(some_labels, list) and all(label in valid for label in some_labels)
                    for some_labels in labels)):
        found = f'a list of {len(labels)} entries' if isinstance(labels, list) else f'a {type(labels).__name__}'
        raise UserError(f'The ReaL labels {path!r} have to be a list of {NUM_IMAGES} lists of numbers from 0 to '
                        f'{len(WNIDS) - 1}, one for each validation image; this is {found}. Is it real.json of '
                        'github.com/google-research/reassessed-imagenet?')
    return labels


def _numbers(paths: list[str], folder: str) -> dict[str, int]:
    """Which validation image each path is."""
    matches = {path: NAME.fullmatch(os.path.basename(path)) for path in paths}
    numbers = {path: int(match[1]) for path, match in matches.items() if match}
    wrong = [path for path in paths if not 1 <= numbers.get(path, 0) <= NUM_IMAGES]
    if wrong:
        raise UserError(f'{folder!r} has {len(wrong)} images ({some(wrong)}) that are not named as those of the '
                        'validation set, ILSVRC2012_val_00000001.JPEG and so on, by which the ReaL labels are found.')
    if len(set(numbers.values())) < len(numbers):
        seen: dict[int, str] = {}
        one, two = next((seen[number], path) for path, number in numbers.items()
                        if seen.setdefault(number, path) != path)
        raise UserError(f'{folder!r} has the same validation image twice: {one} and {two}.')
    return numbers
