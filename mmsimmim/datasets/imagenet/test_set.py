"""What test sets of ImageNet's classes have in common."""

import os
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...errors import UserError, why_missing
from ..image_folder import IMAGE_SUFFIXES, list_files
from ..transforms.loading.load_image import UnreadableImage


class ImageNetTestSet(BaseDataset):
    """Images of the 1000 classes of ImageNet-1K, all of which are scored: a file that cannot be read is an error.

    Args:
        num_images (int, optional): How many there are in the published set. Another number is logged as a warning, as
            the result then does not compare. Defaults to None: not compared.
        metainfo (dict, optional): Replaces ``classes``, by default mmpretrain's names. Defaults to None.
        **kwargs: Further arguments of MMEngine's ``BaseDataset``.
    """

    def __init__(self, num_images: int | None = None, metainfo: dict | None = None, **kwargs) -> None:
        from mmpretrain.datasets.categories import IMAGENET_CATEGORIES  # other frameworks do without mmpretrain
        self.num_images = num_images
        super().__init__(metainfo={'classes': IMAGENET_CATEGORIES, **(metainfo or {})},
                         **{'test_mode': True, **kwargs})

    def prepare_data(self, idx: int) -> Any:
        """A sample after the pipeline.

        Args:
            idx (int): Its index.

        Returns:
            dict: What the pipeline packs.

        Raises:
            UserError: Its file cannot be read.
        """
        try:
            return super().prepare_data(idx)
        except UnreadableImage as error:
            raise UserError(f'{self.get_data_info(idx)["img_path"]} cannot be read: {error}. Without it the result '
                            'would be that of another set: put the file back.') from error

    def list_images(self, folder: str) -> list[str]:
        """Images below a folder, at any depth.

        Args:
            folder (str): The folder.

        Returns:
            list[str]: Paths relative to it, sorted.

        Raises:
            UserError: No such folder, or no images in it.
        """
        if not os.path.isdir(folder):
            raise UserError(f'The folder {folder!r} {why_missing(folder)}. Give the unpacked test set in data_root of '
                            f'{type(self).__name__}: tools/test.py CONFIG CHECKPOINT --test-sets NAME=FOLDER.')
        paths = sorted(list_files(folder, IMAGE_SUFFIXES))
        if not paths:
            raise UserError(f'No images in {folder!r} or the folders below it.')
        if self.num_images not in (None, len(paths)):
            print_log(f'{folder!r} has {len(paths)} images, but the published set has {self.num_images}: the result '
                      'does not compare with published ones.', logger='current', level=30)
        return paths
