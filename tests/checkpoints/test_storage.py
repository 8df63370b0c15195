"""What is said where a disk does not take a file, and what is left of it."""

import errno
import logging
import os
import resource
import sys
import threading
from types import SimpleNamespace

import pytest
import torch
from mmengine.visualization import LocalVisBackend, vis_backend

from mmsimmim.checkpoints.reading.files import write_checkpoint
from mmsimmim.checkpoints.storage import check_folder, why_not_written
from mmsimmim.commands import train
from mmsimmim.commands.common.mistakes import report_mistakes
from mmsimmim.engine import unwritten
from mmsimmim.engine.hooks import checkpoint
from mmsimmim.errors import UserError
from tests.commands.conftest import CONFIG, images  # noqa: F401  a fixture


@pytest.fixture
def small_files():
    """No file may get larger than 64 KiB: the system itself refuses to write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_refused_checkpoint_leaves_nothing_and_the_last_one_whole(tmp_path, small_files):
    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(b'whole')
    with pytest.raises(UserError, match=rf'^{path} cannot be written: File too large \(.* left on its disk\)\. Lift'):
        checkpoint.AtomicLocalBackend().put(bytes(2**17), path)
    assert os.listdir(tmp_path) == ['epoch_1.pth'] and path.read_bytes() == b'whole'


@pytest.mark.parametrize('code, words', [
    (errno.ENOSPC, 'Make room'), (errno.EDQUOT, 'quota'), (errno.EROFS, 'read-only'), (errno.EACCES, 'Let this user')])
def test_each_reason_has_its_advice(tmp_path, monkeypatch, code, words):
    def fail(number):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(UserError) as caught:
        checkpoint.AtomicLocalBackend().put(b'1', tmp_path / 'a.pth')
    assert words in str(caught.value) and os.strerror(code) in str(caught.value) and '--work-dir' in str(caught.value)
    assert not os.listdir(tmp_path)


def test_other_errors_stay_as_they_are():
    assert why_not_written(OSError(errno.EACCES, '', 'image.jpg')) is None, 'which is read, not written'
    assert why_not_written(ValueError('No space left')) is None


@pytest.mark.parametrize('below', ['', 'run', 'run/1'])
def test_a_file_in_place_of_the_folder(tmp_path, below):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='cannot be written: Not a directory .* A file is where a folder should be'):
        check_folder(str(tmp_path / 'file' / below))
    check_folder(str(tmp_path / 'new' / 'run'))
    assert os.listdir(tmp_path) == ['file'], 'no folder is made'


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match='cannot be written: Permission denied .* Let this user write there'):
        check_folder(str(tmp_path / 'run'))
    tmp_path.chmod(0o700)


def test_commands_tell_a_full_disk_wherever_it_is_met(tmp_path):
    @report_mistakes
    def command():
        raise OSError(errno.ENOSPC, 'No space left on device', str(tmp_path / 'last_checkpoint'))

    with pytest.raises(SystemExit, match=f'^error: {tmp_path}/last_checkpoint cannot be written: No space left'):
        command()


def test_training_goes_on_without_a_log_and_ends_without_a_checkpoint(tmp_path, images, monkeypatch, capfd):  # noqa: F811
    """All three steps are done, one warning is given, and the refused checkpoint ends the command with a sentence."""
    full, steps = OSError(errno.ENOSPC, 'No space left on device'), []

    def fail(*args):
        raise full

    def fail_to_log(*args):
        steps.append(1)
        raise full

    monkeypatch.setattr(LocalVisBackend, '_dump', fail_to_log)
    monkeypatch.setattr(checkpoint.os, 'fsync', fail)
    monkeypatch.setattr(sys, 'argv', [
        'train.py', str(CONFIG), '--work-dir', str(tmp_path), '--no-validate', '--cfg-options',
        f'train_dataloader.dataset.data_root={images}', 'train_dataloader.num_workers=0',
        'default_hooks.logger.type=mmsimmim.LoggerHook', 'train_cfg.max_epochs=2'])
    with pytest.raises(SystemExit) as end:
        train.main()
    assert str(end.value).startswith(f'error: {tmp_path}/epoch_1.pth cannot be written: No space left on device (')
    assert len(steps) >= 3
    assert not [name for name in os.listdir(tmp_path) if 'pth' in name]
    log = next(tmp_path.rglob('*.log')).read_text()
    assert log.count('cannot be written') == 1 and 'Training goes on' in log


def test_content_and_name_are_forced_to_the_disk_in_this_order(tmp_path, monkeypatch):
    """Before anything else is removed: a power loss must not take back the name and leave the removal."""
    events, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda number: events.append(os.path.basename(
        os.readlink(f'/proc/self/fd/{number}'))) or fsync(number))
    monkeypatch.setattr(os, 'replace', lambda *paths: events.append('rename') or replace(*paths))
    checkpoint.AtomicLocalBackend().put(b'1', tmp_path / 'a.pth')
    write_checkpoint(str(tmp_path / 'b.pth'), {'w': torch.zeros(1)})
    assert events[:3] == ['a.pth.tmp', 'rename', tmp_path.name]
    assert events[3].startswith('b.pth') and events[4:] == ['rename', tmp_path.name]


def test_pictures_and_curves_that_cannot_be_written_do_not_end_the_training(tmp_path, images, monkeypatch):  # noqa: F811
    """Neither numbers nor pictures nor TensorBoard's events nor lines of the log; the checkpoints are written."""
    pytest.importorskip('tensorboard')
    from tensorboard.summary.writer.record_writer import RecordWriter
    full, tried, write_event = OSError(errno.ENOSPC, 'No space left on device'), [], RecordWriter.write

    def fail(*args):
        tried.append('numbers')
        raise full

    def fail_later(*args):
        if not tried:  # the copy of the config, before the training
            return write_event(*args)
        tried.append('events')
        raise full

    def half(path, *args):  # as OpenCV, which does not say so
        tried.append('picture')
        with open(path, 'wb') as file:
            file.write(b'\x89PNG')
        return False

    monkeypatch.setattr(LocalVisBackend, '_dump', fail)
    monkeypatch.setattr(vis_backend.cv2, 'imwrite', half)
    monkeypatch.setattr(RecordWriter, 'write', fail_later)
    monkeypatch.setattr(threading, 'excepthook', lambda args: None)  # of TensorBoard's own thread
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    (tmp_path / 'config.py').write_text(f'_base_ = [{str(CONFIG)!r}]\n'
                                        f'visualizer = dict(vis_backends={backends})')
    monkeypatch.setattr(sys, 'argv', [
        'train.py', str(tmp_path / 'config.py'), '--work-dir', str(tmp_path / 'work'), '--cfg-options',
        'train_dataloader.num_workers=0',
        *(f'{name}_dataloader.dataset.data_root={images}' for name in ('train', 'val', 'test')),
        'default_hooks.logger.type=mmsimmim.LoggerHook', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=1',
        'default_hooks.reconstruction.type=mmsimmim.ReconstructionHook', f'experiment_name={tmp_path.name}'])
    train.main()
    assert {*tried} == {'numbers', 'picture', 'events'}
    assert tried.count('picture') == 2 and tried.count('numbers') > 8, 'each is tried again: space may come back'
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file() and not list(tmp_path.rglob('*.png'))
    log = next(tmp_path.rglob('*.log')).read_text()
    assert log.count('cannot be written') == 1 and 'Training goes on' in log


def test_lines_of_the_log_that_cannot_be_written_do_not_end_the_training(tmp_path, capsys):
    runner = SimpleNamespace(work_dir=str(tmp_path), visualizer=SimpleNamespace(_vis_backends={}),
                             logger=logging.Logger('unwritten'))
    runner.logger.addHandler(logging.FileHandler('/dev/full'))
    runner.logger.addHandler(logging.StreamHandler(sys.stdout))
    unwritten.WritingErrors(runner)
    for line in range(3):
        runner.logger.info(line)
    printed = capsys.readouterr()
    assert printed.out.count('cannot be written ([Errno 28] No space left on device') == 1 and not printed.err
    assert printed.out.endswith('1\n2\n')
