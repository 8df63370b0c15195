"""A command that refuses leaves no file and no folder that was not there before; one that has begun keeps its log."""

import os
import runpy
import sys

import pytest
import torch

from mmsimmim.commands.common.folder_lock import NAME, locked
from mmsimmim.commands.common.traces import leaving_nothing
from mmsimmim.errors import UserError
from tests.commands.conftest import CONFIG, REPO


@pytest.fixture
def run(monkeypatch, images, tmp_path):
    """A function that runs a tool in this process, with the images."""

    def run(tool, *arguments, options=()):
        roots = [f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')]
        monkeypatch.setattr(sys, 'argv', [f'{tool}.py', str(CONFIG), *map(str, arguments), '--cfg-options', *roots,
                                          f'experiment_name={tmp_path.name}',  # by which MMEngine knows its loggers
                                          'train_dataloader.num_workers=0', *options])
        runpy.run_path(str(REPO / 'tools' / f'{tool}.py'), run_name='__main__')

    return run


def tree(folder):
    """Everything in a folder, with the content of files."""
    return {str(path.relative_to(folder)): path.is_file() and path.read_bytes() for path in folder.rglob('*')}


REFUSED = [  # by what, and where
    ('train_dataloader.dataset.data_root=/nowhere', 'does not exist'),  # while the data is loaded
    ('model.backbone.window_size=0', 'window_size=0'),  # while the model is built
    ('default_hooks.reconstruction.type=mmsimmim.ReconstructionHook default_hooks.reconstruction.indices=[99]',
     'must lie between'),  # when the training begins
    ('load_from=/nowhere/model.pth', 'nowhere'),  # before there is a runner
]


@pytest.mark.parametrize('option, message', REFUSED)
@pytest.mark.parametrize('earlier', [False, True])
def test_a_training_that_is_refused(run, tmp_path, option, message, earlier):
    work = tmp_path / 'work_dirs' / 'run'
    if earlier:
        (work / '20200101_000000').mkdir(parents=True)
        (work / '20200101_000000' / 'x.log').write_text('log')
        (work / CONFIG.name).write_text('earlier = 1')
    before = tree(tmp_path)
    with pytest.raises(SystemExit, match='error: ') as ended:
        run('train', '--work-dir', work, options=option.split())
    assert message in str(ended.value)
    assert tree(tmp_path) == before


def test_a_test_that_is_refused(run, tmp_path):
    torch.save(dict(state_dict={}, meta={}), tmp_path / 'model.pth')
    before = tree(tmp_path)
    with pytest.raises(SystemExit, match='no sample to evaluate'):
        run('test', tmp_path / 'model.pth', '--work-dir', tmp_path / 'a' / 'b',
            options=['test_dataloader.dataset.indices=0'])
    assert tree(tmp_path) == before


def test_a_training_that_has_begun_keeps_its_log(run, tmp_path):
    with pytest.raises(SystemExit, match='has diverged'):
        run('train', '--work-dir', tmp_path / 'work',
            options=['optim_wrapper.optimizer.lr=1e38', 'default_hooks.finite.max_bad_steps=0'])
    assert list((tmp_path / 'work').glob('*/*.log')) and (tmp_path / 'work' / CONFIG.name).is_file()
    assert not (tmp_path / 'work' / NAME).exists()


def test_faults_of_the_program_keep_what_was_written(tmp_path):
    for error, kept in ((RuntimeError('fault'), True), (UserError('mistake'), False)):
        with pytest.raises(type(error)), leaving_nothing([str(tmp_path / 'work')], 'config.py'):
            (tmp_path / 'work' / '20200101_000000').mkdir(parents=True, exist_ok=True)
            raise error
        assert (tmp_path / 'work').exists() is kept
        if kept:
            (tmp_path / 'work' / '20200101_000000').rmdir()
            (tmp_path / 'work').rmdir()


def test_what_is_not_of_the_run_stays(tmp_path):
    with pytest.raises(UserError), leaving_nothing([str(tmp_path)], 'config.py'):
        (tmp_path / 'notes.txt').touch()  # by somebody else meanwhile
        raise UserError('mistake')
    assert os.listdir(tmp_path) == ['notes.txt']


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    import mmsimmim.commands.common.folder_lock as folder_lock
    opened, really = [], folder_lock._open

    def late(folder):
        file = really(folder)
        if not opened:
            os.remove(tmp_path / NAME)  # as a run does that ends between this run's opening and locking
        opened.append(file)
        return file

    monkeypatch.setattr(folder_lock, '_open', late)
    with locked([str(tmp_path)]):
        assert len(opened) == 2 and (tmp_path / NAME).read_text().startswith(f'process {os.getpid()} ')
    assert os.listdir(tmp_path) == []
