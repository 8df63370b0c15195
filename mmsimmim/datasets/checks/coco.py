"""Annotations in COCO format, and their images."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable

from ...errors import why_missing
from ...json_text import parse_json
from ..image_folder import IMAGE_SUFFIXES, list_files
from .categories import compare_categories, repeated
from .coco_masks import NUMBER, check_masks, is_of
from .files import Reading, look_into, read_picture
from .part import Contents, Part, classes_of
from .report import Section

ID = (int, float, str)
KEYS = dict(
    images=dict(id=ID, file_name=str, width=NUMBER, height=NUMBER),
    annotations=dict(id=ID, image_id=ID, category_id=ID, bbox=list, area=NUMBER),
    categories=dict(id=ID, name=str))
BEYOND = 1.0  # pixels by which a box may exceed its image, for rounding


def check_coco(part: Part, section: Section, reading: Reading,
               adapt: Callable[[dict[str, list]], dict[str, list]] | None = None) -> Contents:
    """Check one annotation file and its images.

    Args:
        part (Part): The dataset.
        section (Section): Gets the findings.
        reading (Reading): How the images are read.
        adapt (Callable, optional): Gives the sections of the file as the dataset understands them. Defaults to None:
            as they are.

    Returns:
        Contents: What other checks need.
    """
    classes = classes_of(part.dataset)
    content = _read(part, section)
    if content is None:
        return Contents(classes)
    content = adapt(content) if adapt else content
    _check_metric_file(part, section)
    complete = {name: _complete(section, name, entries) for name, entries in content.items()}
    _check_ids(complete, section)
    _check_references(section, complete['annotations'], content)
    compare_categories(section, classes, complete['categories'], part.dataset)
    _check_annotations(part, section, complete, classes)
    return _check_images(part, section, complete['images'], classes, reading)


# ---- the file


def _read(part: Part, section: Section) -> dict[str, list] | None:
    """The three sections."""
    path = part.dataset.ann_file
    if not os.path.isfile(path):
        section.error(f'the annotation file {path} {why_missing(path)}',
                      advice=f'Correct data_root or ann_file of {part.names[0]}_dataloader.')
        return None
    try:
        with open(path, encoding='utf-8') as file:
            content = parse_json(file.read())
    except ValueError as error:
        section.error(f'{path} is no JSON, or only a part of it: {error}', advice='Make or download it again.')
        return None
    sections = [name for name in KEYS if name != 'annotations' or not part.unlabelled]
    content = content if isinstance(content, dict) else {}
    missing = [name for name in sections if not isinstance(content.get(name), list)]
    section.error(f'sections that {path} lacks, or that are no lists', missing,
                  'A file in the format of COCO has "images", "annotations" and "categories".')
    if missing:
        return None
    content = {name: content.get(name) or [] for name in KEYS}
    section.facts.append(f'{path}: ' + ', '.join(f'{name} {len(entries)}' for name, entries in content.items()))
    if not content['images']:
        section.error(f'{path} lists no image', advice='There is nothing to read.')
    return content


def _complete(section: Section, name: str, entries: list) -> list[dict]:
    """The entries that have all that they need."""
    complete, faults = [], defaultdict(list)
    for i, entry in enumerate(entries):
        missing = [key for key, kind in KEYS[name].items() if not is_of(entry.get(key), kind)] \
            if isinstance(entry, dict) else ['all keys']
        if not missing and not _has_good_numbers(entry):
            missing = ['bbox'] if name == 'annotations' else ['width or height above 0']
        for key in missing:
            faults[key].append(f'id {entry["id"]}' if isinstance(entry, dict) and 'id' in entry else f'entry {i}')
        if not missing:
            complete.append(entry)
    for key, cases in faults.items():
        section.error(f'entries of "{name}" without {key}, or with one of another type', cases)
    return complete


def _has_good_numbers(entry: dict) -> bool:
    if 'bbox' in entry:
        return len(entry['bbox']) == 4 and all(is_of(x, NUMBER) and math.isfinite(x) for x in entry['bbox'])
    return entry.get('width', 1) > 0 and entry.get('height', 1) > 0


def _check_metric_file(part: Part, section: Section) -> None:
    for metric in part.metrics:
        path = metric.get('ann_file')
        if path and os.path.realpath(path) != os.path.realpath(part.dataset.ann_file):
            section.error(f'{metric.get("type")} reads {path}, the dataset {part.dataset.ann_file}',
                          advice='Set ann_file of the evaluator to the same file.')


def _check_ids(content: dict[str, list[dict]], section: Section) -> None:
    for name, entries in content.items():
        section.error(f'ids that more than one entry of "{name}" has', repeated(entry['id'] for entry in entries))
    section.error('files that "images" lists more than once',
                  repeated(image['file_name'] for image in content['images']))


def _check_references(section: Section, annotations: list[dict], content: dict[str, list]) -> None:
    for name, key in (('categories', 'category_id'), ('images', 'image_id')):
        # Those of incomplete entries, too: one fault is reported once.
        known = {entry['id'] for entry in content[name] if isinstance(entry, dict) and is_of(entry.get('id'), ID)}
        section.error(f'annotations with a {key} that "{name}" does not have', [
            f'id {one["id"]}: {one[key]!r}' for one in annotations if one[key] not in known])


# ---- annotations


def _check_annotations(part: Part, section: Section, content: dict, classes: list[str]) -> None:
    images = {image['id']: image for image in content['images']}
    names = {category['id']: category['name'] for category in content['categories']}
    if not set(classes) <= set(names.values()):
        classes = list(dict.fromkeys(names.values()))  # the names are reported already, the rest is looked at
    if not content['annotations'] and part.unlabelled:
        section.note('no annotations, and none are needed: the results are only written to files')
        return
    known = _choose(section, content['annotations'], images, names, classes)
    kept = _check_boxes(section, known, images)
    if part.metrics and not part.unlabelled:
        section.error('annotations without iscrowd, which the evaluation reads',
                      [f'id {annotation["id"]}' for annotation in known if 'iscrowd' not in annotation])
    check_masks(part, section, kept, images)
    _count_images(part, section, kept, images)
    _count_classes(section, kept, names, classes)


def _choose(section: Section, annotations: list[dict], images: dict, names: dict, classes: list[str]) -> list[dict]:
    """The annotations of the config's classes."""
    known = [one for one in annotations if one['category_id'] in names and one['image_id'] in images]
    left_out = Counter(names[one['category_id']] for one in known if names[one['category_id']] not in classes)
    section.warning('categories that are not among the classes of the config, so that their annotations are left out',
                    [f'{name}: {left_out[name]} annotations' for name in names.values() if name not in classes])
    return [one for one in known if names[one['category_id']] in classes]


def _check_boxes(section: Section, annotations: list[dict], images: dict) -> list[dict]:
    """Returns those that MMDetection takes."""
    kept, flat, outside, beyond = [], [], [], []
    for annotation in annotations:
        x, y, width, height = annotation['bbox']
        image = images[annotation['image_id']]
        if width < 1 or height < 1 or annotation['area'] <= 0:
            flat.append(annotation)
        elif min(x + width, image['width']) <= max(x, 0) or min(y + height, image['height']) <= max(y, 0):
            outside.append(annotation)
        elif not annotation.get('ignore'):
            kept.append(annotation)
            if min(x, y) < -BEYOND or x + width > image['width'] + BEYOND or y + height > image['height'] + BEYOND:
                beyond.append(annotation)
    for what, cases, advice in (
            ('boxes without an area, or narrower than a pixel, which are left out', flat, ''),
            ('boxes outside of their image, which are left out', outside, ''),
            ('boxes that reach beyond their image', beyond, 'A box is [x, y, width, height], in pixels.')):
        section.by_share(what, [_place(one, images) for one in cases], len(annotations), advice)
    return kept


def _place(annotation: dict, images: dict) -> str:
    box = ' '.join(f'{value:g}' for value in annotation['bbox'])
    return f'id {annotation["id"]} in {images[annotation["image_id"]]["file_name"]}: [{box}]'


def _count_images(part: Part, section: Section, kept: list[dict], images: dict) -> None:
    with_any = {one['image_id'] for one in kept}
    crowds_only = with_any - {one['image_id'] for one in kept if not one.get('iscrowd')}
    filters = {} if part.dataset.test_mode else part.dataset.filter_cfg or {}
    use = 'training' if part.training else 'evaluation'
    lost = f', which are left out of the {use}' if filters.get('filter_empty_gt') else ''
    section.note(f'images without annotations{lost}',
                 [image['file_name'] for key, image in images.items() if key not in with_any])
    section.note('images that have annotations of crowds only',
                 [image['file_name'] for key, image in images.items() if key in crowds_only])
    section.note(f'images smaller than min_size={filters.get("min_size", 0)}, which are left out of the {use}', [
        image['file_name'] for image in images.values()
        if min(image['width'], image['height']) < filters.get('min_size', 0)])
    part.usable = sum(min(image['width'], image['height']) >= filters.get('min_size', 0)
                      and (key in with_any or not filters.get('filter_empty_gt')) for key, image in images.items())
    if kept and not part.usable:  # without annotations another error says so
        section.error(f'no image is left for the {use}',
                      advice='Give other annotations, or filter_cfg of the dataset other filters.')


def _count_classes(section: Section, kept: list[dict], names: dict, classes: list[str]) -> None:
    counts = Counter(names[one['category_id']] for one in kept if not one.get('iscrowd'))
    crowds = sum(bool(one.get('iscrowd')) for one in kept)
    section.facts.append('annotations per class, crowds apart: ' + ', '.join(
        f'{name} {counts[name]}' for name in classes) + (f'; crowds: {crowds}' if crowds else ''))
    if not counts:
        section.error('no annotation of any class of the config')
    else:
        section.warning('classes without an annotation', [
            name for name in classes if not counts[name] and name in names.values()])


# ---- images


def _check_images(part: Part, section: Section, images: list[dict], classes: list[str], reading: Reading) -> Contents:
    folder = part.dataset.data_prefix.get('img') or ''
    if not os.path.isdir(folder or '.'):
        section.error(f'the image folder {folder} {why_missing(folder)}',
                      advice=f'Correct data_root or data_prefix of {part.names[0]}_dataloader.')
        return Contents(classes)
    paths = {os.path.join(folder, image['file_name']): image for image in images}
    on_disk = {os.path.join(folder, path) for path in list_files(folder or '.', IMAGE_SUFFIXES)}
    present = [path for path in paths if path in on_disk or os.path.isfile(path)]
    lacking = paths.keys() - present
    section.error(f'images that are not in {folder}', [paths[path]['file_name'] for path in paths if path in lacking],
                  'Each file_name is looked for below data_prefix.')
    _check_sizes(section, {path: paths[path] for path in reading.choose(present)}, len(present), reading)
    listed = {os.path.normpath(path) for path in paths}
    return Contents(classes, present, folder, listed, {os.path.normpath(path) for path in on_disk},
                    {image['file_name'] for image in images})


def _check_sizes(section: Section, images: dict[str, dict], number: int, reading: Reading) -> None:
    pictures = look_into(list(images), lambda path: read_picture(path, reading.decode), 'images', reading)
    unreadable, other = [], []
    for (path, image), picture in zip(images.items(), pictures):
        if picture.fault:
            unreadable.append(f'{path}: {picture.fault}')
        elif (picture.width, picture.height) != (image['width'], image['height']):
            turned = ', turned by EXIF data' if picture.turned else ''
            other.append(f'{path}: {picture.width} x {picture.height}{turned} instead of {image["width"]} x '
                         f'{image["height"]}')
    section.facts.append(f'{"decoded" if reading.decode else "headers read of"} {len(images)} of {number} images')
    section.error('images that cannot be read', unreadable)
    section.error('images of another size than the annotation file says (width x height)', other)
