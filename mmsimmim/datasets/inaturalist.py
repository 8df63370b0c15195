"""iNaturalist as it is distributed: a list in COCO's format, and images in a folder per category."""

import os
from typing import Any

from ..errors import UserError, shown, why_missing
from ..json_text import parse_json
from ..registry import DATASETS
from .image_folder import ImageFolder

KEYS = dict(images=('id', 'file_name'), annotations=('image_id', 'category_id'), categories=('id', 'name'))


@DATASETS.register_module()
class INaturalist(ImageFolder):
    """`iNaturalist <https://github.com/visipedia/inat_comp>`_ of 2018 (8142 classes), or of another year.

    Nothing needs to be converted or moved: ``train2018.json``, ``val2018.json`` and the unpacked ``train_val2018/`` lie
    side by side. Training and validation images share the folders, so that the lists tell them apart.

    Files that cannot be read are replaced and named as in :class:`ImageFolder`. Labels are the categories in the order
    of their ids, in 2018 the ids themselves; ``metainfo['classes']`` has their names. A sample has ``gt_label`` (int)
    as well.

    Args:
        data_root (str): The folder that holds the list and what its file names begin with.
        ann_file (str): The list, relative to ``data_root``: with ``images``, ``annotations`` (one for each image) and
            ``categories``.
        **kwargs: See :class:`ImageFolder`.

    Raises:
        UserError: The list is missing, broken or without labels (as those of test images are), its images are not
            below ``data_root``, or a folder holds images of two categories.

    Examples:
        >>> INaturalist(data_root='data/inaturalist2018', ann_file='val2018.json')
    """

    def __init__(self, data_root: str, ann_file: str, **kwargs) -> None:
        super().__init__(data_root=data_root, ann_file=ann_file, **kwargs)

    def _list(self) -> list[str]:
        content = self._read()
        categories = sorted(content['categories'], key=lambda one: (isinstance(one['id'], str), one['id']))
        self._metainfo['classes'] = tuple(str(category['name']) for category in categories)
        number_of = {category['id']: number for number, category in enumerate(categories)}
        category_of = self._categories_of_images(content['annotations'])
        self._label_of: dict[str, int] = {}
        for image in content['images']:
            self._number_folder(image['file_name'], number_of, category_of.get(image['id']))
            if os.path.isabs(image['file_name']) or '..' in image['file_name'].split('/'):
                raise self._mistake(f'image {shown(image["file_name"])} is not below {self.data_root!r}')
        paths = sorted(image['file_name'] for image in content['images'])
        if paths and not os.path.exists(os.path.join(self.data_root, paths[0])):
            raise self._mistake(f'its images, such as {paths[0]}, are not below {self.data_root!r}. Unpack their '
                                'archive there')
        return paths

    def _describe(self, path: str, idx: int) -> dict:
        return dict(super()._describe(path, idx), gt_label=self._label_of[os.path.dirname(path)])

    def _read(self) -> dict[str, list[dict]]:
        if not os.path.isfile(self.ann_file):
            raise UserError(f'The list of iNaturalist {self.ann_file!r} {why_missing(self.ann_file)}. Set data_root to '
                            'the folder that holds it, and ann_file to its name, such as train2018.json.')
        try:
            with open(self.ann_file, encoding='utf-8') as file:
                content = parse_json(file.read())
        except ValueError as error:
            raise self._mistake(f'it is no JSON file ({error}). Unpack or download it anew') from error
        for part, keys in KEYS.items():
            entries = content.get(part) if isinstance(content, dict) else None
            if not isinstance(entries, list) or not all(
                    isinstance(one, dict) and all(_is_good(key, one.get(key)) for key in keys) for one in entries):
                raise self._mistake(f'it has no list {part!r} of entries with {" and ".join(keys)}, as the lists of '
                                    'training and validation images have')
        return content

    def _categories_of_images(self, annotations: list[dict]) -> dict[Any, Any]:
        found = {}
        for annotation in annotations:
            image, category = annotation['image_id'], annotation['category_id']
            if found.setdefault(image, category) != category:
                raise self._mistake(f'image {image} has the categories {found[image]} and {category}, but only one can '
                                    'be learned. Remove an annotation')
        return found

    def _number_folder(self, path: str, number_of: dict[Any, int], category: Any) -> None:
        if category is None:
            raise self._mistake(f'image {path} has no annotation. Lists of test images have no labels; use that of '
                                'training or validation')
        if category not in number_of:
            raise self._mistake(f'image {path} has category {category}, which is not among the {len(number_of)} '
                                'categories. Unpack or download it anew')
        # A label per folder and not per image: what worker processes hold stays small.
        folder, label = os.path.dirname(path), number_of[category]
        if self._label_of.setdefault(folder, label) != label:
            names = [self._metainfo['classes'][number] for number in (self._label_of[folder], label)]
            raise self._mistake(f'the folder {folder} has images of {names[0]} and {names[1]}. Sort them into a folder '
                                'per category, as iNaturalist is distributed')

    def _mistake(self, what: str) -> UserError:
        return UserError(f'{self.ann_file}: {what}.')


def _is_good(key: str, value: Any) -> bool:
    """Whether a value is one that the key may have: names are text, ids numbers or text."""
    return isinstance(value, str if key == 'file_name' else (int, str))
