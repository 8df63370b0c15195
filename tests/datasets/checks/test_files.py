"""Files that are looked into, in threads."""

import numpy as np
import pytest
from PIL import Image

from mmsimmim.datasets.checks import files
from mmsimmim.datasets.checks.files import Reading, find_same, look_into, read_label_map, read_picture


def test_the_chosen_are_spread():
    assert Reading(sample=3).choose(range(10)) == [0, 3, 6]
    assert Reading(sample=10).choose(range(3)) == Reading().choose(range(3)) == [0, 1, 2]


def test_order_and_progress(monkeypatch, capsys):
    monkeypatch.setattr(files, 'FIRST_WORD', 0.0)
    monkeypatch.setattr(files, 'BATCH', 20)
    assert look_into([str(i) for i in range(50)], int, 'numbers', Reading(workers=4)) == list(range(50))
    assert capsys.readouterr().err.startswith('20 of 50 numbers read, about 0 s to go')


def test_mistakes_in_a_thread_arrive():
    with pytest.raises(ValueError):
        look_into(['1', 'x', '2'], int, 'numbers', Reading())


@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.int32, np.float32, bool])
def test_values_are_counted_as_numpy_reads_them(tmp_path, kind):
    labels = np.random.default_rng(0).integers(0, 2 if kind is bool else 5, (7, 9)).astype(kind)
    Image.fromarray(labels).save(tmp_path / 'x.tif')
    found = read_label_map(tmp_path / 'x.tif')
    assert found.counts == dict(zip(*(part.tolist() for part in np.unique(labels.astype(float), return_counts=True))))
    assert (found.width, found.height) == (9, 7)


def test_large_images_are_no_fault(tmp_path, monkeypatch):
    Image.new('L', (300, 200)).save(tmp_path / 'x.png')
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    assert 'exceeds limit' in read_picture(tmp_path / 'x.png').fault
    assert look_into([tmp_path / 'x.png'], read_picture, 'images', Reading())[0][:2] == (300, 200)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_same_content_under_other_names(tmp_path):
    for name, content in dict(a='one', b='two', c='three', d='two', e='six', f='seven').items():
        (tmp_path / name).write_text(content)
    same = find_same([tmp_path / name for name in 'abc'], [tmp_path / name for name in 'adef'], Reading())
    assert [(one.name, two.name) for one, two in same] == [('a', 'a'), ('b', 'd')]
