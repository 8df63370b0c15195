"""The categories of a COCO annotation file, compared with the classes of a config."""

import mmap
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import UserError
from ...json_text import parse_json
from .report import Section, some


def read_categories(path: str) -> list[dict]:
    """Read the categories of an annotation file without the rest, which may be gigabytes.

    Args:
        path (str): The file.

    Returns:
        list[dict]: Its section "categories".

    Raises:
        UserError: The file is no JSON, or has no such section.
    """
    if not os.path.getsize(path):
        raise UserError(f'{path} is empty. Make or download it again.')
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for found in re.finditer(rb'"categories"\s*:\s*\[', content):
            end = content.find(b']', found.end())
            while end != -1 and end - found.end() < 2**24:
                try:
                    entries = parse_json(content[found.end() - 1:end + 1])
                except ValueError:  # a bracket inside, such as that of a skeleton
                    end = content.find(b']', end + 1)
                    continue
                if entries and _are_categories(entries):
                    return entries
                break
    try:
        with open(path, encoding='utf-8') as file:
            content = parse_json(file.read())
    except ValueError as error:
        raise UserError(f'{path} is no JSON, or only a part of it: {error}. Make or download it again.') from error
    entries = content.get('categories') if isinstance(content, dict) else None
    if not _are_categories(entries):
        raise UserError(f'{path} has no list "categories" of entries with "id" and "name", as a file in the format of '
                        'COCO has.')
    return entries


def _are_categories(entries: Any) -> bool:
    return isinstance(entries, list) and all(
        isinstance(entry, dict) and 'id' in entry and isinstance(entry.get('name'), str) for entry in entries)


def compare_categories(section: Section, classes: Sequence[str], categories: Sequence[dict], dataset: Any) -> None:
    """Compare the classes of a config with the categories of an annotation file.

    MMDetection looks for the categories by the names of the classes, numbers those that it finds in the order of the
    file, and leaves out the others in silence.

    Args:
        section (Section): Gets the findings.
        classes (Sequence[str]): Names of the classes.
        categories (Sequence[dict]): With ``id`` and ``name``.
        dataset (BaseDataset): Whose classes they are.
    """
    names = [category['name'] for category in categories]
    path = dataset.ann_file
    if isinstance(dataset.metainfo.get('classes'), str):
        section.error(f'classes={dataset.metainfo["classes"]!r} is a word, of which each letter counts as a class',
                      advice='With one class write classes=("name", ), with the comma, or ["name"].')
    upper = ' (metainfo has CLASSES; the key is read in lower case only)' if 'CLASSES' in dataset.metainfo else ''
    lacking = [name for name in classes if name not in names]
    section.error(f'classes of the config that are no categories of {path}', lacking,
                  f'The file has {some(names, 5)}. What is not there is never learned, and the classes behind it get '
                  f'other numbers: correct metainfo.classes{upper}.')
    twice = [name for name in repeated(names) if name in classes]
    section.error(f'names that more than one category of {path} has', twice, 'Each would count as a class.')
    found = [name for name in names if name in classes]
    if not lacking and not twice and found != list(classes):
        section.error(f'the classes of the config ({some(classes, 5)}) are in another order than the categories of '
                      f'{path} ({some(found, 5)})', advice='They are numbered in the order of the file, so that '
                      'results would carry wrong names: give metainfo.classes in that order.')


def repeated(values: Iterable) -> list:
    """The duplicates, each once."""
    return [value for value, count in Counter(values).items() if count > 1]
