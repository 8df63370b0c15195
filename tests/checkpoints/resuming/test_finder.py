"""The last whole checkpoint of a folder in any state."""

import os
import pickle
import shutil
import zipfile

import pytest
import torch

from mmsimmim.checkpoints.resuming.finder import find_checkpoint, find_fault


@pytest.fixture
def save(tmp_path):
    """A function that writes checkpoints, each a second younger than the one before, and MMEngine's note."""
    time = iter(range(1_000_000_000, 2_000_000_000))

    def save(name, note=True):
        path = tmp_path / name
        torch.save(dict(weight=torch.rand(1000)), path)
        os.utime(path, (next(time), ) * 2)
        if note:
            (tmp_path / 'last_checkpoint').write_text(str(path))
        return path

    return save


def cut(path):
    times = os.stat(path)
    path.write_bytes(path.read_bytes()[:1000])
    os.utime(path, (times.st_atime, times.st_mtime))


def find(folder):
    path, messages = find_checkpoint([str(folder)])
    return path and os.path.basename(path), messages


def test_the_noted_one(save, tmp_path):
    save('epoch_9.pth'), save('epoch_10.pth'), save('best_loss_epoch_11.pth', note=False)
    assert find(tmp_path) == ('epoch_10.pth', [])


def test_nothing_there(tmp_path):
    assert find(tmp_path) == (None, []) == find(tmp_path / 'missing')


@pytest.mark.parametrize('note', ['', '/gone/epoch_3.pth', None])
def test_a_useless_note(save, tmp_path, note):
    save('epoch_9.pth'), save('epoch_10.pth')
    (tmp_path / 'last_checkpoint').unlink()
    if note is not None:
        (tmp_path / 'last_checkpoint').write_text(note)
    assert find(tmp_path) == ('epoch_10.pth', [])


def test_cut_off_files_are_passed_over_by_name(save, tmp_path):
    save('iter_1.pth'), save('iter_2.pth')
    cut(save('iter_3.pth', note=False)), cut(save('iter_4.pth'))
    name, messages = find(tmp_path)
    assert name == 'iter_2.pth'
    assert ['iter_4.pth' in messages[0], 'iter_3.pth' in messages[1], len(messages)] == [True, True, 2]
    assert 'cut off' in messages[0]


def test_killed_before_the_note_was_written(save, tmp_path):
    save('epoch_1.pth'), save('epoch_2.pth', note=False)
    assert find(tmp_path) == ('epoch_2.pth', [])


def test_larger_numbers_of_an_earlier_run_in_the_same_folder(save, tmp_path):
    save('epoch_100.pth'), save('epoch_51.pth')
    assert find(tmp_path) == ('epoch_51.pth', [])


def test_copying_mixes_up_the_times(save, tmp_path):
    save('epoch_3.pth'), save('epoch_1.pth', note=False), save('epoch_2.pth', note=False)
    assert find(tmp_path) == ('epoch_3.pth', [])


def test_a_moved_folder(save, tmp_path):
    save('epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/run/epoch_1.pth')
    assert find(tmp_path) == ('epoch_1.pth', [])


def test_a_copied_folder_takes_its_own(save, tmp_path):
    save('epoch_1.pth')
    shutil.copytree(tmp_path, tmp_path / 'copy')
    assert find_checkpoint([str(tmp_path / 'copy')]) == (str(tmp_path / 'copy' / 'epoch_1.pth'), [])


def test_a_checkpoint_elsewhere_is_named_and_not_taken(save, tmp_path):
    path = save('epoch_2.pth')
    (tmp_path / 'work').mkdir()
    shutil.copy(tmp_path / 'last_checkpoint', tmp_path / 'work')
    found, (message, ) = find_checkpoint([str(tmp_path / 'work')])
    assert found is None and f'--resume {path}' in message


def test_other_folder(save, tmp_path):
    path = save('epoch_1.pth', note=False)
    assert find_checkpoint([str(tmp_path / 'work'), str(tmp_path)]) == (str(path), [])


def test_a_flipped_bit_is_found(save):
    path = save('epoch_1.pth')
    assert find_fault(path) is None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert 'checksum' in find_fault(path)


@pytest.mark.parametrize('share, fault', [
    (0, 'empty'), (0.1, 'cut off'), (0.5, 'cut off'), (0.9, 'cut off'), (0.9999, 'cut off')])
def test_the_format_before_torch_1_6_is_read_to_its_end(tmp_path, share, fault):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=dict(weight=torch.rand(1000), bias=torch.rand(10))), path,
               _use_new_zipfile_serialization=False)
    assert find_fault(str(path)) is None
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    assert fault in find_fault(str(path))


def test_a_file_that_makes_zipfile_fail_is_passed_over(save, tmp_path, monkeypatch):
    """Of Python 3.11, on an end record that points outside the file."""
    save('epoch_1.pth'), save('epoch_2.pth')
    look = zipfile.is_zipfile

    def fail(path):
        if 'epoch_2' in path:
            raise OverflowError('too far')
        return look(path)

    monkeypatch.setattr(zipfile, 'is_zipfile', fail)
    name, (message, ) = find(tmp_path)
    assert name == 'epoch_1.pth' and 'epoch_2.pth is not used: it is cut off or not a checkpoint (too far)' in message


def test_code_in_a_file_of_the_old_format_is_refused(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(pickle.dumps(os.getcwd))
    assert 'not a checkpoint' in find_fault(str(path))
