"""Pairs of an image and a label map, the format of MMSegmentation."""

import os
from collections import Counter
from typing import NamedTuple

from ..image_folder import IMAGE_SUFFIXES, list_files
from .files import LabelMap, Picture, Reading, look_into, read_label_map, read_picture
from .part import Contents, Part, classes_of
from .report import Section, some

IGNORED = 255


class Pair(NamedTuple):
    """Paths of an image and its label map, and what is in both."""

    image: str
    labels: str
    picture: Picture
    map: LabelMap


def check_label_maps(part: Part, section: Section, reading: Reading) -> Contents:
    """Check a folder of images and one of label maps.

    Args:
        part (Part): The dataset.
        section (Section): Gets the findings.
        reading (Reading): How the files are read.

    Returns:
        Contents: What other checks need.
    """
    classes, samples = classes_of(part.dataset), _list_samples(part, section)
    _check_loader(part, section)
    if not samples:
        return Contents(classes)
    images = [sample['img_path'] for sample in samples]
    present = {path for path in images if os.path.isfile(path)}
    section.error('images that do not exist', [path for path in images if path not in present],
                  f'{part.dataset.ann_file} lists them.')
    if part.transform('LoadAnnotations'):
        _check_pairs(part, section, [sample for sample in samples if sample['img_path'] in present], classes, reading)
    else:
        section.note('no label maps are loaded, so that none are looked at')
        _check_images(section, reading.choose([path for path in images if path in present]), reading)
    folder = os.path.normpath(part.dataset.data_prefix.get('img_path') or '.')
    maps = {os.path.normpath(sample.get('seg_map_path', '')) for sample in samples}
    on_disk = {os.path.normpath(os.path.join(folder, path)) for path in list_files(folder, IMAGE_SUFFIXES)}
    return Contents(classes, [path for path in images if path in present], folder,
                    {os.path.normpath(path) for path in images}, on_disk - maps)


def _list_samples(part: Part, section: Section) -> list[dict]:
    """As the dataset itself lists them."""
    dataset, name = part.dataset, part.names[0]
    needed = ('img_path', 'seg_map_path') if part.transform('LoadAnnotations') else ('img_path', )
    folders = {key: dataset.data_prefix.get(key) for key in needed}
    missing = [f'{key} {folder}' for key, folder in folders.items() if folder and not os.path.isdir(folder)]
    section.error('folders that do not exist', missing, f'Correct data_root or data_prefix of {name}_dataloader '
                  f'(working folder: {os.getcwd()}).')
    lists = dataset.ann_file and not os.path.isdir(dataset.ann_file)
    if lists and not os.path.isfile(dataset.ann_file):
        section.error(f'the list of names {dataset.ann_file} does not exist',
                      advice=f'Correct data_root or ann_file of {name}_dataloader.')
    elif not any(missing):
        samples = dataset.load_data_list()
        maps = f', label maps {folders["seg_map_path"]}/*{dataset.seg_map_suffix}' if len(folders) > 1 else ''
        section.facts.append(f'{len(samples)} images {folders["img_path"]}/*{dataset.img_suffix}{maps}')
        if not samples and lists:
            section.error(f'the list of names {dataset.ann_file} is empty', advice='Each line is a name.')
        elif not samples:
            endings = Counter(os.path.splitext(path)[1] for path in list_files(folders['img_path'], ('', )))
            section.error(f'no images that end in {dataset.img_suffix}', advice='Set img_suffix; the files end in: ' + (
                ', '.join(f'{ending or "nothing"} ({count})' for ending, count in endings.most_common(3)) or 'none'))
        return samples
    return []


def _check_loader(part: Part, section: Section) -> None:
    loaders = part.transform('LoadAnnotations')
    if part.training and not loaders:
        section.error('the pipeline has no LoadAnnotations: there is nothing to learn from')
    for loader in loaders:
        reduce = loader.get('reduce_zero_label')
        if reduce is not None and bool(reduce) != bool(part.dataset.reduce_zero_label):
            section.error(f'reduce_zero_label is {reduce} in LoadAnnotations, {part.dataset.reduce_zero_label} in the '
                          'dataset', advice='Set it in the dataset only.')


def _check_images(section: Section, paths: list[str], reading: Reading) -> list[Picture]:
    pictures = look_into(paths, lambda path: read_picture(path, reading.decode), 'images', reading)
    section.error('images that cannot be read', [
        f'{path}: {picture.fault}' for path, picture in zip(paths, pictures) if picture.fault])
    return pictures


def _check_pairs(part: Part, section: Section, samples: list[dict], classes: list[str], reading: Reading) -> None:
    maps = {sample.get('seg_map_path'): sample['img_path'] for sample in samples}
    present = {path for path in maps if path and os.path.isfile(path)}
    section.error('images without a label map', [f'{maps[path]}: no {path}' for path in maps if path not in present],
                  'Both have the same name, apart from img_suffix and seg_map_suffix.')
    _check_surplus(part, section, maps)
    chosen = reading.choose([path for path in maps if path in present])
    images = [maps[path] for path in chosen]
    pairs = [Pair(*pair) for pair in zip(
        images, chosen, _check_images(section, images, reading),
        look_into(chosen, read_label_map, 'label maps', reading))]
    section.facts.append(f'{len(pairs)} of {len(maps)} label maps read')
    section.error('label maps that cannot be read', [f'{pair.labels}: {pair.map.fault}' for pair in pairs
                                                     if pair.map.fault])
    readable = [pair for pair in pairs if not pair.map.fault]
    _check_sizes(section, readable)
    usable = _check_formats(part, section, readable)
    if classes and usable:
        _check_values(part, section, usable, classes, sampled=len(pairs) < len(maps))


def _check_surplus(part: Part, section: Section, maps: dict[str, str]) -> None:
    folder = part.dataset.data_prefix.get('seg_map_path')
    if os.path.isdir(folder or '') and not os.path.isfile(part.dataset.ann_file):
        known = {os.path.normpath(path) for path in maps}
        found = (os.path.normpath(os.path.join(folder, path))
                 for path in list_files(folder, (part.dataset.seg_map_suffix.lower(), )))
        section.warning('label maps without an image', sorted(path for path in found if path not in known))


def _check_sizes(section: Section, pairs: list[Pair]) -> None:
    section.error('label maps of another size than the image (width x height)', [
        f'{pair.labels}: {pair.map.width} x {pair.map.height}, image {pair.picture.width} x {pair.picture.height}'
        f'{", turned by EXIF data" if pair.picture.turned else ""}' for pair in pairs
        if not pair.picture.fault and pair.map[:2] != pair.picture[:2]])


def _check_formats(part: Part, section: Section, pairs: list[Pair]) -> list[Pair]:
    """Returns those whose pixels are labels."""
    as_colours = any(one.get('imdecode_backend', 'pillow') != 'pillow' for one in part.transform('LoadAnnotations'))
    colours, usable = [], []
    for pair in pairs:
        (usable if pair.map.counts and not (as_colours and pair.map.mode == 'P') else colours).append(pair)
    section.error('label maps that are colour images', [f'{pair.labels}: {pair.map.mode}' for pair in colours],
                  'A label map has one channel, whose values are the numbers of the classes.')
    section.note('label maps with a palette, whose indices count as labels', [
        pair.labels for pair in usable if pair.map.mode == 'P'])
    return usable


def _check_values(part: Part, section: Section, pairs: list[Pair], classes: list[str], sampled: bool) -> None:
    values = {value for pair in pairs for value in pair.map.counts}
    label_of = {value: as_loaded(value, part.dataset.reduce_zero_label, part.dataset.label_map) for value in values}
    good = {*range(len(classes)), IGNORED, part.dataset.ignore_index}
    wrong = {value for value in values if label_of[value] not in good}
    pixels, maps = Counter(), Counter()
    for pair in pairs:
        maps.update({label_of[value] for value in pair.map.counts})
        for value, count in pair.map.counts.items():
            pixels[label_of[value]] += count
    _report_classes(section, pixels, maps, classes)
    section.error('label maps with values out of range', [
        f'{pair.labels}: {some(sorted(wrong.intersection(pair.map.counts)))}' for pair in pairs
        if wrong.intersection(pair.map.counts)], _explain(part, classes, wrong))
    section.warning('label maps in which every pixel is ignored', [
        pair.labels for pair in pairs if all(label_of[value] == IGNORED for value in pair.map.counts)])
    absent = [name for number, name in enumerate(classes) if not pixels[number]]
    if part.training and not sampled and len(classes) - len(absent) < 2:
        section.error('less than two classes occur, so that there is nothing to learn',
                      advice=_explain(part, classes, values))
    section.warning(f'classes that never occur{" in the label maps that were read" if sampled else ""}', absent,
                    'By reduce_zero_label, 1 is the first class in the files, and 0 is ignored.'
                    if part.dataset.reduce_zero_label else '')


def as_loaded(value: float, reduce_zero_label: bool, label_map: dict | None) -> float:
    """The label that MMSegmentation makes of a value in a file.

    Args:
        value (float): As in the file. Those above 255 or with fractions, which do not fit into 8 bits, are left alone.
        reduce_zero_label (bool): Whether 0 is ignored and the others count from 1.
        label_map (dict, optional): New numbers, where a config takes some of the classes only.

    Returns:
        float: The label, 255 where the pixel is ignored.
    """
    if reduce_zero_label and 0 <= value <= IGNORED:
        value = IGNORED if value in (0, IGNORED) else value - 1
    return (label_map or {}).get(value, value)


def _report_classes(section: Section, pixels: Counter, maps: Counter, classes: list[str]) -> None:
    total = sum(pixels.values())
    shares = [f'{name} {pixels[number] / total:.2%} ({maps[number]})' for number, name in enumerate(classes)]
    section.facts.append(f'pixels per class (and in how many label maps): {", ".join(shares)}; ignored '
                         f'{pixels[IGNORED] / total:.2%} ({maps[IGNORED]})')


def _explain(part: Part, classes: list[str], values: set[float]) -> str:
    """Which values there should be, and what the given ones may mean."""
    reduce = part.dataset.reduce_zero_label
    number = len(part.dataset.METAINFO.get('classes') or classes) if part.dataset.label_map else len(classes)
    text = f'Values are {1 if reduce else 0} to {number if reduce else number - 1}; 255 ' + (
        'and, by reduce_zero_label, 0 are ignored.' if reduce else 'is ignored.')
    if not reduce and number in values and max(values - {IGNORED}) == number:
        text += ' If 0 means unlabelled, set reduce_zero_label=True in the dataset.'
    if values == {0, IGNORED}:
        text += ' These files have 0 and 255 only: write 1 where 255 is meant to be a class.'
    return text
