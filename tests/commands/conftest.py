"""Running the tools on a tiny model and a small folder of images."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_name('tiny_config.py')


@pytest.fixture(scope='session')
def images(tmp_path_factory):
    """Pictures of which enough fall to training for three steps of 8, and a file that is none."""
    folder = tmp_path_factory.mktemp('images')
    for seed in range(26):
        coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{seed}.png'), cv2.resize(coarse, (64, 48)))
    (folder / 'broken.jpg').write_text('no image')
    return folder


@pytest.fixture(scope='session')
def run_tool(images):
    """A function that runs a tool in a process of its own and returns (exit code, output)."""

    def run(*arguments, options=(), **variables):
        roots = [f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')]
        interpreter = [sys.executable] if str(arguments[0]).endswith('.py') else []
        process = subprocess.run(
            [*interpreter, *map(str, arguments), '--cfg-options', *roots, *options],
            cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
            env={**os.environ, 'PYTHONPATH': str(REPO), 'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1', **variables})
        return process.returncode, process.stdout

    return run


@pytest.fixture
def message_of(monkeypatch, capsys):
    """A function from arguments of train.py to the message it ends with."""

    def message_of(*arguments):
        monkeypatch.setattr(sys, 'argv', ['train.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')
        code = caught.value.code
        assert code not in (0, None)
        # the text itself, or a number after argparse has printed the text; loggers of other tests may write, too
        return code if isinstance(code, str) else capsys.readouterr().err

    return message_of
