"""An image folder packed into one file."""

import os

from ...errors import UserError
from ...registry import DATASETS
from ..image_folder import ImageFolder
from ..transforms.loading.load_image import UnreadableImage
from .file import PackedFile


@DATASETS.register_module()
class PackedImageFolder(ImageFolder):
    """A folder that ``tools/dataset_converters/pack_images.py`` packed into one file, for storage slow at small files.

    The samples are those of :class:`ImageFolder` on the folder itself: the same ones in the same order under the same
    ``sample_id``, the same split, and the same replacement of what cannot be read. So the crops, masks and order of a
    training are the same, too. In addition to the keys of :class:`ImageFolder` a sample that goes into the pipeline has
    ``img_bytes``, the content of the image file, which :class:`LoadImage` decodes; ``img_path`` is the path below
    ``data_root`` as if that were a folder.

    The file is opened in each process that reads from it, read-only and without locks.

    Args:
        data_root (str): The file.
        **kwargs: See :class:`ImageFolder`. ``suffixes`` chooses among the images that were packed.

    Raises:
        UserError: As :class:`ImageFolder`; the library lmdb is missing; the file is missing, cut off, of another kind,
            or is unfinished.

    Examples:
        >>> PackedImageFolder(data_root='train.lmdb', split='train', pipeline=[dict(type='mmsimmim.LoadImage')])
    """

    def _check_root(self) -> None:
        if not self.data_root:
            raise UserError('PackedImageFolder needs data_root, the file that holds the images.')
        self._file = PackedFile(self.data_root)

    def _list(self) -> list[str]:
        return [path.replace('/', os.sep) for path in self._file.paths() if path.lower().endswith(self.suffixes)]

    def _load(self, path: str, idx: int) -> dict:
        key = path.replace(os.sep, '/')
        if key in self._file.manifest['missing']:
            raise UnreadableImage(self._file.manifest['missing'][key])
        content = self._file.read(key)
        if content is None:
            raise UnreadableImage(f'{self.data_root} is damaged: this record cannot be found')
        return dict(self._describe(path, idx), img_bytes=content)
