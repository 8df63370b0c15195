"""What a kill between two files leaves is finished by the run that resumes; the attack finds it, this shows it."""

import os
import sys

import pytest
import torch
from mmengine.logging import MessageHub

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from mmsimmim.commands import train
from mmsimmim.engine.hooks import checkpoint
from mmsimmim.engine.hooks.resuming.leftovers import note_outdated, remove_leftovers
from tests.commands.conftest import CONFIG, images  # noqa: F401  a fixture
from tests.commands.test_resume import assert_identical


class Killed(BaseException):
    """In the place of SIGKILL: nothing handles it."""


@pytest.fixture
def run(monkeypatch, images):  # noqa: F811
    """A function that trains for two epochs of three steps in this process."""

    def run(folder, *arguments, options=()):
        MessageHub._instance_dict.clear()
        monkeypatch.setattr(sys, 'argv', [
            'train.py', str(CONFIG), '--work-dir', str(folder), *arguments, '--cfg-options',
            *(f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')),
            'train_dataloader.num_workers=0', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=1',
            'default_hooks.checkpoint.save_best=reconstruction/masked_loss', 'default_hooks.checkpoint.rule=less',
            *options])
        train.main()

    return run


def content(folder):
    return {path.name: torch.load(path, weights_only=True) for path in folder.glob('*.pth*')}


def test_a_file_is_removed_only_if_the_checkpoint_replaces_it(tmp_path):
    for name in ('epoch_1.pth', 'epoch_2.pth', 'best_1.pth', 'epoch_3.pth.tmp', 'notes.tmp', 'epoch_0.pth'):
        (tmp_path / name).touch()
    hub = MessageHub('leftovers')
    note_outdated(hub, [str(tmp_path / 'epoch_1.pth'), str(tmp_path / 'best_1.pth'), '/other/gone.pth'])
    hub.update_info('best_ckpt', str(tmp_path / 'best_1.pth'))
    assert remove_leftovers(str(tmp_path), hub) == ['epoch_1.pth', 'epoch_3.pth.tmp']
    assert sorted(os.listdir(tmp_path)) == ['best_1.pth', 'epoch_0.pth', 'epoch_2.pth', 'notes.tmp']
    hub.update_info('outdated_ckpts', ['../epoch_0.pth', 7])
    assert remove_leftovers(str(tmp_path), hub) == []


@pytest.mark.parametrize('moment', ['removing', 'validating'])
def test_a_kill_after_the_last_checkpoint(run, tmp_path, monkeypatch, moment):
    """The outdated file goes, the last validation is made, and its best checkpoint is known: nothing differs."""

    def die(self, *args, **kwargs):
        if getattr(args[0], 'epoch', 2) == 2 and (tmp_path / 'killed' / 'epoch_2.pth').exists():
            raise Killed
        return kept(self, *args, **kwargs)

    name = dict(removing='_remove', validating='after_val_epoch')[moment]
    kept = getattr(checkpoint.CheckpointHook, name)
    run(tmp_path / 'whole')
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.CheckpointHook, name, die)
        with pytest.raises(Killed):
            run(tmp_path / 'killed')
    assert 'epoch_1.pth' in content(tmp_path / 'killed') or moment == 'validating'
    run(tmp_path / 'killed', '--resume')
    whole, killed = content(tmp_path / 'whole'), content(tmp_path / 'killed')
    assert killed.keys() == whole.keys()
    for file in whole:
        assert_identical(killed[file]['state_dict'], whole[file]['state_dict'])
        infos = [one[file]['message_hub']['runtime_info'] for one in (killed, whole)]
        assert infos[0].get('best_score') == infos[1].get('best_score')


def test_gradients_accumulated_across_a_checkpoint_are_in_it(run, tmp_path):
    """Two steps an update, three an epoch: the second update begins before the checkpoint and ends after it."""
    twice = ['optim_wrapper.accumulative_counts=2', 'default_hooks.checkpoint.max_keep_ckpts=-1']
    run(tmp_path / 'whole', options=twice)
    first = tmp_path / 'whole' / 'epoch_1.pth'
    assert torch.load(first, weights_only=True)['accumulated_gradients']
    run(tmp_path / 'parts', '--resume', str(first), options=twice)
    whole, parts = (torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True) for name in ('whole', 'parts'))
    assert 'accumulated_gradients' not in whole
    for part in ('state_dict', 'optimizer'):
        assert_identical(parts[part], whole[part])
