"""Other images of ImageNet's classes, in a folder per class."""

import os

from ...errors import UserError
from ...registry import DATASETS
from ..checks.report import some
from .test_set import ImageNetTestSet
from .wnids import WNIDS

BY_WNID = {wnid: label for label, wnid in enumerate(WNIDS)}
# ImageNet-V2: '10' comes before '2' among sorted names, so that these must not be numbered in order.
BY_NUMBER = {str(label): label for label in range(len(WNIDS))}


@DATASETS.register_module()
class ImageNetVariant(ImageNetTestSet):
    """ImageNet-V2, -A, -R or -Sketch as they are distributed, with the labels of a classifier of ImageNet-1K.

    The folders of the classes have WordNet ids as names, or the numbers 0 to 999 as in ImageNet-V2. A sample has
    ``img_path`` and ``gt_label``, the number of its class among the 1000 whatever other folders there are.
    ``metainfo['subset']`` has the numbers of the classes that have a folder, among which
    :class:`mmsimmim.VariantAccuracy` decides.

    Args:
        data_root (str): The folder that holds those of the classes.
        num_classes (int): How many of them there have to be: 200 in ImageNet-A and -R. Defaults to 1000.
        **kwargs: See :class:`ImageNetTestSet`: ``num_images``, and arguments of MMEngine's ``BaseDataset``.

    Raises:
        UserError: No such folder, folders in it that are no classes of ImageNet, or another number of them; from
            ``dataset[i]`` if an image cannot be read.

    Examples:
        >>> dataset = ImageNetVariant('data/imagenet-a', num_classes=200, num_images=7500)
        >>> dataset.metainfo['subset'][:3]
        (6, 11, 13)
    """

    def __init__(self, data_root: str, num_classes: int = 1000, **kwargs) -> None:
        self.num_classes = num_classes
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Search the folder.

        Returns:
            list[dict]: ``img_path`` and ``gt_label`` of each image, sorted by path.
        """
        paths = self.list_images(self.data_root)
        label_of = self._labels({_folder(path) for path in paths}, paths)
        self._metainfo['subset'] = tuple(sorted(label_of.values()))
        return [dict(img_path=os.path.join(self.data_root, path), gt_label=label_of[_folder(path)]) for path in paths]

    def _labels(self, folders: set[str], paths: list[str]) -> dict[str, int]:
        # Fewer than 1000 folders with numbers have been numbered anew: 0 to 199 are not the first 200 classes.
        known = BY_WNID if self.num_classes < len(WNIDS) or not folders <= BY_NUMBER.keys() else BY_NUMBER
        unknown = sorted(folders - known.keys())
        if unknown:
            raise UserError(f'{self.data_root!r} has images in {some(repr(name or ".") for name in unknown)}, but its '
                            f'folders have to be {_described(self.num_classes)}. {self._right_level(paths)}')
        if len(folders) != self.num_classes:
            missing = sorted(known.keys() - folders) if self.num_classes == len(WNIDS) else []
            examples = f' (without images: {some(missing)})' if missing else ''
            raise UserError(f'{self.data_root!r} has images in {len(folders)} folders of classes, not in '
                            f'{self.num_classes}{examples}: is it the whole set, or another one? num_classes of the '
                            'dataset says how many there are.')
        return {name: known[name] for name in folders}

    def _right_level(self, paths: list[str]) -> str:
        """Where the folders of the classes are, if they are one level off."""
        known = BY_WNID.keys() | BY_NUMBER.keys()
        above, name = os.path.split(os.path.abspath(self.data_root))
        inside = next((path.split(os.sep)[0] for path in paths if known & set(path.split(os.sep)[1:2])), None)
        right = above if name in known else inside and os.path.join(self.data_root, inside)
        return f'Is {right!r} the right folder?' if right else 'Give the folder that holds those of the classes.'


def _folder(path: str) -> str:
    """The folder of a class; '' for an image that is in none."""
    return path.split(os.sep, 1)[0] if os.sep in path else ''


def _described(num_classes: int) -> str:
    ids = f'WordNet ids of ImageNet-1K, such as {WNIDS[0]}'
    return ids if num_classes < len(WNIDS) else f'{ids}, or all of the numbers 0 to 999'
