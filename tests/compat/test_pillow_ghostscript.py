"""No program is started for an image, whoever opens it."""

import subprocess
from types import SimpleNamespace

import mmcv
import pytest
from PIL import EpsImagePlugin, Image

import mmsimmim  # noqa: F401
from mmsimmim.compat.pillow_ghostscript import _without_ghostscript
from mmsimmim.datasets.checks.files import read_label_map, read_picture
from mmsimmim.datasets.packed.packing import encode
from mmsimmim.datasets.transforms.loading import LoadImage, UnreadableImage

READERS = dict(
    load_image=lambda path: LoadImage()(dict(img_path=str(path))),
    bytes=lambda path: LoadImage()(dict(img_bytes=path.read_bytes())),
    pack=lambda path: encode(str(path.parent), path.name, None, 95).reason,
    check=lambda path: (read_picture(str(path), decode=True).fault, read_label_map(str(path)).fault),
    mmcv=lambda path: mmcv.imread(str(path), backend='pillow'))


@pytest.fixture
def started(monkeypatch):
    """The programs that were started."""
    programs = []
    for name in ('check_call', 'Popen', 'run'):
        monkeypatch.setattr(subprocess, name, lambda command, *args, **kwargs: programs.append(command))
    return programs


@pytest.mark.parametrize('reader', READERS)
def test_an_eps_named_jpg_starts_no_program(tmp_path, started, reader):
    path = tmp_path / 'photo.jpg'
    Image.new('RGB', (8, 8)).save(path, 'EPS')
    try:
        what = READERS[reader](path)
    except (UnreadableImage, OSError) as error:
        what = str(error)
    assert started == []
    if reader != 'mmcv':
        assert 'not an image' in str(what)


def test_it_would_without_the_repair(tmp_path, started, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, 'gs_binary', None)
    path = tmp_path / 'photo.jpg'
    Image.new('RGB', (8, 8)).save(path, 'EPS')
    with pytest.raises(Exception), Image.open(path) as image:  # noqa: B017
        image.load()
    assert started and started[0][0] == 'gs'
    module = SimpleNamespace()
    _without_ghostscript(module)
    assert module.gs_binary is False
