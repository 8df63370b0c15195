"""The data in demo/data: consistent, without overlap of splits, and rebuilt byte by byte from its sources."""

import json
import os
import sys
import zipfile
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / 'demo' / 'data'
ARCHIVES = os.environ.get('MMSIMMIM_DEMO_ARCHIVES')

sys.path.insert(0, str(ROOT / 'demo'))
import build_data  # noqa: E402
import data_sources  # noqa: E402
import tiles  # noqa: E402

sys.path.remove(str(ROOT / 'demo'))



def read_coco(part, split):
    return json.loads((DATA / part / f'instances_{split}.json').read_text())


@pytest.mark.parametrize('part', ['aerial', 'nuclei'])
@pytest.mark.parametrize('split', ['train', 'val'])
def test_boxes_lie_within_images_that_exist(part, split):
    coco = read_coco(part, split)
    sizes = {}
    for image in coco['images']:
        height, width = cv2.imread(str(DATA / part / split / image['file_name'])).shape[:2]
        assert (image['width'], image['height']) == (width, height)
        sizes[image['id']] = width, height
    for annotation in coco['annotations']:
        x, y, w, h = annotation['bbox']
        width, height = sizes[annotation['image_id']]
        assert x >= 0 and y >= 0 and w >= 1 and h >= 1 and x + w <= width and y + h <= height


@pytest.mark.parametrize('part', ['aerial', 'nuclei'])
def test_no_pixel_is_in_two_tiles(part):
    tiles = [image for split in ('train', 'val') for image in read_coco(part, split)['images']]
    for one, other in combinations(tiles, 2):
        if one['source'] == other['source']:
            (x, y), (u, v) = one['offset'], other['offset']
            apart = (
                x + one['width'] <= u or u + other['width'] <= x or y + one['height'] <= v or v + other['height'] <= y)
            assert apart, (one['file_name'], other['file_name'])


@pytest.mark.parametrize('split', ['train', 'val'])
def test_label_maps_are_the_union_of_the_masks(split):
    coco = read_coco('nuclei', split)
    for image in coco['images']:
        labels = cv2.imread(str(DATA / 'nuclei' / 'labels' / split / image['file_name']), cv2.IMREAD_UNCHANGED)
        union = np.zeros_like(labels)
        for annotation in coco['annotations']:
            if annotation['image_id'] == image['id']:
                mask = decode_run_lengths(annotation['segmentation'])
                assert mask.sum() == annotation['area'] and not (mask & union).any()
                union |= mask
        np.testing.assert_array_equal(labels, union)


def decode_run_lengths(segmentation):
    values = np.arange(len(segmentation['counts'])) % 2
    return np.repeat(values, segmentation['counts']).reshape(segmentation['size'], order='F').astype(np.uint8)


@pytest.mark.parametrize('first', [0, 1])
def test_run_lengths_invert(first):
    mask = np.random.RandomState(0).rand(5, 7) < 0.5
    mask[0, 0] = first
    counts = tiles.run_lengths(mask)
    np.testing.assert_array_equal(decode_run_lengths(dict(size=mask.shape, counts=counts)), mask)


def test_boxes_at_borders():
    tile = tiles.Tile(0, 0, 100, 200, 200, 300)
    assert tiles.clip_box([110, 210, 130, 240], tile) == ([10, 10, 20, 30], False)
    assert tiles.clip_box([88, 210, 118, 240], tile) == ([0, 10, 18, 30], False)
    assert tiles.clip_box([80, 210, 118, 240], tile) == ([0, 10, 18, 30], True)  # 18 of 38 px
    assert tiles.clip_box([97, 210, 104, 240], tile) == ([0, 10, 4, 30], True)  # narrower than 8 px
    assert tiles.clip_box([110, 210, 116, 216], tile) == ([10, 10, 6, 6], False)  # small, but whole
    assert tiles.clip_box([80, 210, 101, 240], tile) is None


def test_a_source_that_changed_is_refused(tmp_path):
    path = tmp_path / 'deepforest.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        for name in data_sources.SHA256:
            archive.writestr(name, b'something else')
    with pytest.raises(SystemExit, match='SHA-256'):
        data_sources.read_sources([path])


def test_licences_name_each_package_and_its_version():
    text = (DATA / 'LICENSES.md').read_text()
    for name, version in data_sources.PACKAGES.items():
        assert f'{name}' in text and version in text
    assert 'Copyright (c) 2019, Ben Weinstein' in text and 'Uwe Schmidt, Martin Weigert' in text


@pytest.mark.skipif(not ARCHIVES, reason='MMSIMMIM_DEMO_ARCHIVES does not name a folder with the two packages')
def test_rebuild_is_identical(tmp_path):
    files = data_sources.read_sources(sorted(Path(ARCHIVES).iterdir()))
    build_data.build(files, tmp_path)
    assert build_data.report_differences(tmp_path, DATA) == 0
