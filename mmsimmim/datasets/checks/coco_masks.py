"""Masks of annotations in COCO format."""

import math
from collections import defaultdict
from typing import Any

from .part import Part
from .report import Section

NUMBER = (int, float)


def check_masks(part: Part, section: Section, annotations: list[dict], images: dict) -> None:
    loaders = [one for one in part.transform('LoadAnnotations') if one.get('with_mask')]
    scored = any('segm' in (metric.get('metric') or ()) for metric in part.metrics)
    if not loaders and not scored:
        return
    faults = defaultdict(list)
    as_polygons = any(one.get('poly2mask') is False for one in loaders)
    for annotation in annotations:
        image = images[annotation['image_id']]
        fault = find_mask_fault(annotation.get('segmentation'), image['height'], image['width'])
        if not fault and as_polygons and isinstance(annotation['segmentation'], dict) and not annotation.get('iscrowd'):
            fault = 'masks as run lengths, which with LoadAnnotations(poly2mask=False) are left out'
        if fault:
            faults[fault].append(f'id {annotation["id"]} in {image["file_name"]}')
    for fault, cases in faults.items():
        if fault.endswith('left out'):
            section.by_share(fault, cases, len(annotations))
        else:
            section.error(fault, cases)


def find_mask_fault(segmentation: Any, height: int, width: int) -> str:
    """Look for what is wrong with a mask.

    Args:
        segmentation (list | dict): Polygons or run lengths.
        height (int): Of the image.
        width (int): Of the image.

    Returns:
        str: The kind of fault; '' if there is none.
    """
    if not segmentation:
        return 'annotations without a mask, although masks are loaded'
    if isinstance(segmentation, dict):
        return _find_fault_of_runs(segmentation, height, width)
    if not isinstance(segmentation, list) or not all(isinstance(polygon, list) for polygon in segmentation):
        return 'masks that are neither lists of polygons nor run lengths'
    if not all(is_of(x, NUMBER) and math.isfinite(x) for polygon in segmentation for x in polygon):
        return 'polygons with coordinates that are no numbers'
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in segmentation):
        return 'masks with polygons of less than three points or an odd number of coordinates, which are left out'
    return ''


def _find_fault_of_runs(runs: dict, height: int, width: int) -> str:
    counts, size = runs.get('counts'), runs.get('size')
    if not isinstance(counts, (list, str)) or not isinstance(size, list):
        return 'run lengths without counts or size'
    if [height, width] != size:
        return 'run lengths for another size than that of the image'
    if isinstance(counts, list):
        good = all(is_of(count, int) and count >= 0 for count in counts) and sum(counts) == height * width
    else:
        from pycocotools import mask
        try:
            good = mask.decode(runs).shape == (height, width)
        except (ValueError, UnicodeError):
            good = False
    return '' if good else 'run lengths that do not fill the image'


def is_of(value: Any, kind: type | tuple) -> bool:
    """Whether a value of a JSON file is of a kind; true and false are no numbers."""
    return isinstance(value, kind) and not isinstance(value, bool)
