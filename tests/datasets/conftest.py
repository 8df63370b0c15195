"""Small image folders."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def write_image():
    """A function that writes a smooth random picture and returns its path."""

    def write(path, seed=0, size=(48, 64)):
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))
        return path

    return write


@pytest.fixture
def folder(tmp_path, write_image):
    """Twelve images in nested folders, beside files that are none."""
    names = [f'{place}{number}.{suffix}' for place in ('', 'a/', 'a/b/') for number, suffix in
             enumerate(('jpg', 'png', 'JPEG', 'Tiff'))]
    for seed, name in enumerate(names):
        write_image(tmp_path / name, seed)
    (tmp_path / 'notes.txt').write_text('no image')
    write_image(tmp_path / '.cache' / 'thumbnail.png')
    return tmp_path
