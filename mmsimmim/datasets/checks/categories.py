"""The categories of a COCO annotation file, compared with the classes of a config."""

import json
import mmap
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from .report import Section, some


def read_categories(path: str) -> list[dict]:
    """Read the categories of an annotation file without the rest, which may be gigabytes.

    Args:
        path (str): The file.

    Returns:
        list[dict]: Its section "categories".

    Raises:
        ValueError: The file is no JSON.
        KeyError: It has no such section.
    """
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for found in re.finditer(rb'"categories"\s*:\s*\[', content):
            end = content.find(b']', found.end())
            while end != -1 and end - found.end() < 2**24:
                try:
                    entries = json.loads(content[found.end() - 1:end + 1])
                except ValueError:  # a bracket inside, such as that of a skeleton
                    end = content.find(b']', end + 1)
                    continue
                if entries and all(isinstance(entry, dict) and 'id' in entry and 'name' in entry for entry in entries):
                    return entries
                break
    with open(path, encoding='utf-8') as file:
        return json.load(file)['categories']


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
