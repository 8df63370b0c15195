"""What is no file is left out and named, and nothing waits for it."""

import os
import socket
import threading

import pytest

from mmsimmim.datasets import ImageFolder, LabelledImageFolder, listing
from mmsimmim.datasets.checks.files import read_label_map, read_picture
from mmsimmim.datasets.listing import list_files, list_folders
from mmsimmim.datasets.packed.packing import encode
from mmsimmim.datasets.transforms.loading import LoadImage, UnreadableImage


@pytest.fixture
def messages(monkeypatch):
    told = []
    monkeypatch.setattr(listing, 'print_log', lambda message, **kwargs: told.append(message))
    return told


@pytest.fixture
def odd(tmp_path, write_image, monkeypatch):
    """A folder of one class with one image, beside it a pipe, device, socket, circular link and lost link."""
    monkeypatch.chdir(tmp_path)  # a socket takes a short path
    place = tmp_path / 'class'
    place.mkdir()
    write_image(place / 'image.png')
    os.mkfifo(place / 'pipe.png')
    (place / 'device.png').symlink_to('/dev/zero')
    (place / 'circle.png').symlink_to('circle.png')
    (place / 'lost.png').symlink_to('nowhere.png')
    (tmp_path / 'circle').symlink_to('circle')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind('class/socket.png')
    return tmp_path


def within_seconds(function, *args):
    """What a function returns; an error where it waits. The thread would wait for a pipe for ever."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()
    thread.join(10)
    assert results, 'it still waits, or has failed'
    return results[0]


@pytest.mark.parametrize('kind', [ImageFolder, LabelledImageFolder])
def test_pipes_devices_sockets_and_circular_links_are_left_out_and_named(odd, messages, kind):
    dataset = kind(str(odd))
    paths = {os.path.basename(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))}
    assert paths == {'image.png', 'lost.png'}
    for name in ('class/pipe.png', 'class/device.png', 'class/socket.png'):
        assert f'{odd / name} is left out: no regular file but a pipe, device or socket.' in messages
    for name in ('class/circle.png', 'circle'):
        assert any(f'{odd / name} is left out: Too many levels' in message for message in messages)
    assert list_folders(str(odd)) == ['class']


def test_entries_that_cannot_be_looked_up_leave_the_others(odd, messages, monkeypatch):
    """As root may look everything up, the refusal is made here."""
    (odd / 'shut').mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith('shut'):
            raise PermissionError(13, 'Permission denied')
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    assert 'class/image.png' in list(list_files(str(odd), ('.png', )))
    assert f'{odd / "shut"} is left out: Permission denied.' in messages


@pytest.mark.parametrize('name', ['pipe.png', 'device.png', 'socket.png', 'circle.png'])
def test_no_reader_waits_for_what_is_no_file(odd, name):
    path = str(odd / 'class' / name)

    def load():
        try:
            return LoadImage()(dict(img_path=path))
        except UnreadableImage as error:
            return str(error)

    reason = within_seconds(load)
    assert 'no regular file' in reason or 'Too many levels' in reason or 'No such device' in reason
    assert within_seconds(read_picture, path).fault == within_seconds(read_label_map, path).fault == reason
    entry = within_seconds(encode, str(odd / 'class'), name, None, 95)
    assert entry.missing and entry.reason == reason
