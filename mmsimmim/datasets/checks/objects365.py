"""Objects365 v2: the format of COCO, except for the paths of its images."""

import os

from .coco import check_coco
from .files import Reading
from .part import Contents, Part
from .report import Section


def check_objects365(part: Part, section: Section, reading: Reading) -> Contents:
    """Check one annotation file of Objects365 v2 and its images, as MMDetection reads them.

    A ``file_name`` such as ``images/v1/patch8/objects365_v1_00420917.jpg`` is looked for as
    ``patch8/objects365_v1_00420917.jpg``. Three listed images were never distributed and are left out.

    Args:
        part (Part): The dataset.
        section (Section): Gets the findings.
        reading (Reading): How the images are read.

    Returns:
        Contents: What other checks need.
    """
    return check_coco(part, section, reading, _as_distributed)


def _as_distributed(content: dict[str, list]) -> dict[str, list]:
    from mmdet.datasets.objects365 import objv2_ignore_list

    images = [_with_short_name(image) for image in content['images']]
    absent = {image['id'] for image in images if _key(image, 'file_name') in objv2_ignore_list and 'id' in image}
    return dict(
        content,
        images=[image for image in images if _key(image, 'id') not in absent],
        annotations=[one for one in content['annotations'] if _key(one, 'image_id') not in absent])


def _with_short_name(image: object) -> object:
    name = _key(image, 'file_name')
    return dict(image, file_name=os.path.join(*name.split('/')[-2:])) if isinstance(name, str) else image


def _key(entry: object, key: str) -> object:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, (int, float, str)) else None
