"""Images sorted into a folder per class."""

import os

from mmengine.logging import print_log

from ..errors import UserError, shown
from ..registry import DATASETS
from .image_folder import ImageFolder
from .listing import list_files, list_folders


@DATASETS.register_module()
class LabelledImageFolder(ImageFolder):
    """Images whose class is the name of the folder below ``data_root`` that they are in, at any depth.

    Everything else is as in :class:`ImageFolder`: files that cannot be read are replaced and named, and ``split`` can
    hold out a part of the images. A ``fraction`` takes the same share of each class. Folders without images are no
    classes; images that are in no folder are left out.

    The classes are numbered in the order of their names, which ``metainfo['classes']`` has afterwards. A sample has
    ``gt_label`` (int) as well.

    Args:
        data_root (str): The folder of the dataset.
        data_prefix (str): The folder in it that holds those of the classes, such as 'train'. Defaults to ''.
        metainfo (dict, optional): With ``classes``, names of folders, the numbers of the classes follow these; other
            folders are an error, while classes without images are none. Defaults to None.
        **kwargs: See :class:`ImageFolder`.

    Raises:
        UserError: As :class:`ImageFolder`; there is no folder with images, or one that is not among the classes.

    Examples:
        >>> LabelledImageFolder(data_root='data/flowers', data_prefix='train').metainfo['classes']
        ('daisy', 'rose', 'tulip')
    """

    def __init__(self, data_root: str, data_prefix: str = '', metainfo: dict | None = None, **kwargs) -> None:
        # Joined here, as ImageFolder gives out paths relative to its root. No root stays none, for its message.
        root = os.path.join(data_root, data_prefix) if data_root else data_root
        super().__init__(data_root=root, metainfo=metainfo, **kwargs)

    def load_data_list(self) -> list[str]:
        """Search the folder.

        Returns:
            list[str]: Paths relative to it, sorted, the folder of the class first.
        """
        paths = super().load_data_list()
        self._label_of = self._number_classes()
        labelled, self.stand_ins = ([path for path in some if os.sep in path] for some in (paths, self.stand_ins))
        if len(labelled) < len(paths):
            example = shown(next(path for path in paths if os.sep not in path))
            print_log(f'{len(paths) - len(labelled)} image(s) directly in {self.data_root!r} have no class and are '
                      f'left out, such as {example}.', logger='current', level=30)
        return labelled

    def _number_classes(self) -> dict[str, int]:
        found = [name for name in list_folders(self.data_root)
                 if any(list_files(os.path.join(self.data_root, name), self.suffixes))]
        if not found:
            raise UserError(f'{self.data_root!r} has no folder with images in it, but folders are classes. Sort the '
                            'images into one folder per class.')
        wanted = list(self._metainfo.setdefault('classes', tuple(found)))
        unknown = [name for name in found if name not in wanted]
        if unknown:
            raise UserError(f"{self.data_root!r} has the folder(s) {', '.join(map(shown, unknown[:5]))}, not among the "
                            f"{len(wanted)} of metainfo['classes'], which are {', '.join(wanted[:5])}, ...")
        return {name: label for label, name in enumerate(wanted)}

    def _group_of(self, path: str) -> str:
        return path.split(os.sep, 1)[0] if os.sep in path else ''

    def _describe(self, path: str, idx: int) -> dict:
        return dict(super()._describe(path, idx), gt_label=self._label_of[path.split(os.sep, 1)[0]])
