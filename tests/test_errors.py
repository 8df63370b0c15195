"""Names that are no text reach logs and terminals as escapes."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement
from PIL import Image

from mmsimmim.commands import inspect_checkpoint, pack_images
from mmsimmim.commands.common.mistakes import report_mistakes
from mmsimmim.datasets import ImageFolder, listing
from mmsimmim.datasets.checks.report import some
from mmsimmim.engine.hooks import SkippedFilesHook
from mmsimmim.errors import UserError, shown, shown_lines

HOSTILE = os.fsdecode(b'\xff\x1b[2J\nERROR\r\xe2\x80\xae.png')
HARMLESS = r'\xff\x1b[2J\nERROR\r\u202e.png'


@pytest.fixture
def folder(tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / 'a.png')
    (tmp_path / HOSTILE).write_bytes(b'no image')
    return tmp_path


@pytest.mark.parametrize('text, expected', [
    (HOSTILE, HARMLESS), ('straße/日本 1.png', 'straße/日本 1.png'), ('a\x9bb\x7f\0', r'a\x9bb\x7f\x00'),
    (os.fsdecode(b'\x80'), r'\x80'), ('\u2028\ud800', r'\u2028\ud800'), (7, '7')])
def test_only_what_can_be_printed_is_as_it_was(text, expected):
    assert shown(text) == expected
    shown(text).encode('utf-8')


def test_the_lines_of_a_message_stay():
    assert shown_lines('a:\n\tb\x1b') == 'a:\n\tb\\x1b'


def test_the_log_of_skipped_files(folder):
    lines = []
    runner = SimpleNamespace(epoch=0, iter=0, logger=SimpleNamespace(warning=lines.append))
    samples = [BaseDataElement(metainfo=dict(skipped_files={HOSTILE: 'cut\x1b'}))]
    SkippedFilesHook().before_train_iter(runner, 0, dict(data_samples=samples))
    assert lines == [f'Left out, as it cannot be read: {HARMLESS} (cut\\x1b)']


def test_the_listing_and_the_data_set(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(listing, 'print_log', lambda message, **kwargs: told.append(message))
    os.mkfifo(tmp_path / HOSTILE)
    (tmp_path / ('b' + HOSTILE)).write_bytes(b'no image')
    data = ImageFolder(str(tmp_path), pipeline=[dict(type='mmsimmim.LoadImage')])
    with pytest.raises(UserError) as raised:
        data[0]
    assert f'b{HARMLESS}: not an image' in str(raised.value)
    assert told == [f'{tmp_path}/{HARMLESS} is left out: no regular file but a pipe, device or socket.']


def test_the_tools(folder, capsys):
    pytest.importorskip('lmdb')
    pack_images.main([str(folder), str(folder / 'out.lmdb')])
    printed = capsys.readouterr()
    assert f'passes over it: {HARMLESS}: not an image' in printed.err and '\x1b' not in printed.err + printed.out
    assert some([HOSTILE]) == HARMLESS
    torch.save({f'layer{HOSTILE}': torch.zeros(2)}, folder / 'x.pth')
    try:
        inspect_checkpoint.main([str(folder / 'x.pth')])
    except SystemExit as error:
        print(error)
    printed = capsys.readouterr()
    assert '\x1b' not in printed.out + printed.err


def test_the_last_sentence_of_a_command():
    @report_mistakes
    def fails():
        raise UserError(f'{HOSTILE} is missing.\nGive another.')

    with pytest.raises(SystemExit) as stop:
        fails()
    assert str(stop.value) == f'error: {shown_lines(HOSTILE)} is missing.\nGive another.'
    assert '\x1b' not in str(stop.value) and str(stop.value).encode(sys.getfilesystemencoding())
