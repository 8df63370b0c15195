"""From a folder to a backbone, an interruption in between, and the same weights by tools/train.py."""

import html
import json
import os
import shlex
import sys
import threading
import time
from html.parser import HTMLParser

import pytest
import torch

import mmsimmim
from mmsimmim.commands import pretrain as pretrain_command
from mmsimmim.commands import train
from mmsimmim.commands.pretraining import TrainingStopped, follow
from mmsimmim.commands.pretraining.prepare import prepare
from mmsimmim.commands.pretraining.trying.trial import TrialFailed
from mmsimmim.errors import UserError
from mmsimmim.interruption import RESUMABLE
from tests.commands.pretraining.conftest import SETTINGS


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
class TestRun:

    def test_an_interruption_says_how_to_go_on(self, run):
        command = f'mmsimmim pretrain --out {shlex.quote(str(run.out))} --resume'
        assert run.stopped.status == RESUMABLE and command in str(run.stopped)
        assert f'Stopped. {html.escape(command)} goes on' in run.page

    def test_it_equals_the_training_of_its_config(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, 'argv', ['train', str(run.result.config), '--work-dir', str(tmp_path / 'other')])
        train.main()
        assert_equal(weights(run.result.checkpoint), weights(tmp_path / 'other' / 'iter_6.pth'))

    def test_labelled_images_are_probed_from_before_the_first_step_on_and_change_no_weight(self, run, tmp_path,
                                                                                           monkeypatch):
        assert '2 classes, 24 images to fit to and 14 to classify' in run.text and '3 times after' in run.text
        logged = [json.loads(line) for path in sorted(run.out.glob('train/*/vis_data/scalars.json'))
                  for line in path.read_text().splitlines()]
        probed = {line['step']: line['probe/knn'] for line in logged if 'probe/knn' in line}
        assert {0, 2, 4, 6} == set(probed) and all(0 <= value <= 100 for value in probed.values())
        page = (run.out / 'report.html').read_text()
        assert f'nearest neighbours, in percent: {probed[0]:.4g} at iteration 0, {probed[6]:.4g} at 6' in page
        monkeypatch.setattr(sys, 'argv', ['train', str(run.result.config), '--work-dir', str(tmp_path / 'other'),
                                          '--cfg-options', 'custom_hooks=None'])
        train.main()
        assert_equal(weights(run.result.checkpoint), weights(tmp_path / 'other' / 'iter_6.pth'))

    def test_a_person_sees_data_progress_pictures_and_what_to_do_next(self, run):
        assert '1 of them is held out' in run.text and '6/6  loss' in run.text and 'mmsimmim reconstruct' in run.text
        assert {path.name for path in (run.out / 'pictures').iterdir()} == {
            'inputs.png', 'curves.png', 'learning.png', 'reconstruction_first.png', 'reconstruction_middle.png',
            'reconstruction.png'}
        page = (run.out / 'report.html').read_text()
        HTMLParser().feed(page)
        assert 'Finished after 6 iterations.' in page and 'http-equiv="refresh"' not in page
        assert page.index('at moments of the training') < page.index('After 6 iterations')
        assert html.escape(run.result.files['backbone']) in page

    def test_the_summary_tells_data_recipe_and_result(self, run):
        summary = json.loads((run.out / 'summary.json').read_text())
        assert summary == json.loads(json.dumps(run.result.summary))
        assert (summary['data']['images'], summary['data']['held_out'], summary['data']['formats']) == (
            24, 1, {'PNG': 24})
        assert (summary['recipe']['img_size'], summary['recipe']['steps'], summary['encoder']['name']) == (
            128, 6, 'swin-atto')
        assert summary['seconds'] > summary['training_seconds'] > 1 and summary['images_per_second'] > 1
        assert (summary['images_seen'], summary['seed']) == (24, 0) and summary['packages']['torch']
        assert summary['recipe']['reasons'] and all(reason in run.text for reason in summary['recipe']['reasons'])
        logged = [json.loads(line) for path in run.out.glob('train/*/vis_data/scalars.json')
                  for line in path.read_text().splitlines()]
        assert summary['last_loss'] == next(line['loss'] for line in logged if line.get('iter') == 6)

    def test_other_arguments_are_no_resuming(self, run):
        for others in (dict(arch='swin-tiny'), dict(epochs=7), dict(settings=dict(max_iters=9)), dict(seed=1)):
            with pytest.raises(UserError, match=f'{next(iter(others))}=.* --start .*iter_N.pth'):
                mmsimmim.pretrain(None, run.out, resume=True, **others)

    def test_a_finished_run_makes_what_is_missing_without_training(self, run, monkeypatch, capsys):
        (run.out / 'backbone.pth').unlink()
        monkeypatch.setattr('mmsimmim.commands.pretraining.run.start', None)
        assert mmsimmim.pretrain(None, run.out, arch='swin-atto', resume=True) == run.result
        assert 'is finished' in capsys.readouterr().out and (run.out / 'backbone.pth').is_file()

    def test_another_run_begins_with_its_encoder_mask_token_and_decoder(self, run, images, tmp_path, monkeypatch):
        def fail(*args):
            raise TrialFailed('Not tried.')

        monkeypatch.setattr('mmsimmim.commands.pretraining.settle.try_config', fail)
        settings = {**SETTINGS, 'max_iters': 1, 'interval': 1, 'lr': 1e-30}
        config = prepare(tmp_path / 'run', dict(data=images, start_from=run.result.checkpoint, img_size=128,
                                                settings=settings))
        notes = config.read_text()
        assert 'Kept: encoder, mask token, decoder. Begun anew: optimizer' in notes and 'swin-atto' in notes
        monkeypatch.setattr(sys, 'argv', ['train', str(config)])
        train.main()
        before, after = weights(run.result.checkpoint), weights(tmp_path / 'run' / 'train' / 'iter_1.pth')
        assert before.keys() == after.keys()
        for name, value in before.items():
            torch.testing.assert_close(after[name], value, rtol=0, atol=1e-6)
        with pytest.raises(UserError, match='another encoder than --arch swin-tiny.*Leave out --arch'):
            prepare(tmp_path / 'other', dict(data=images, start_from=run.result.checkpoint, arch='swin-tiny'))


def test_a_folder_that_holds_something_is_left_alone(images, tmp_path):
    (tmp_path / 'mine').write_text('mine')
    with pytest.raises(UserError, match='is not empty'):
        mmsimmim.pretrain(images, tmp_path)
    with pytest.raises(UserError, match='There is nothing to resume'):
        mmsimmim.pretrain(None, tmp_path, resume=True)
    assert os.listdir(tmp_path) == ['mine']


@pytest.mark.parametrize('arguments, message', [
    (dict(arch='swin-huge'), r"There is no encoder 'swin-huge'. .*swin-tiny"),
    (dict(arch='resnet-50'), "There is no encoder 'resnet-50'"),
    (dict(devices=1000), 'devices'),
    (dict(hours=-1), 'hours'),
    (dict(settings=dict(mask_patch_size=31)), 'mask_patch_size must be a multiple of 4'),
])
def test_what_cannot_be_is_one_sentence_before_anything_is_written(images, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        mmsimmim.pretrain([images, images], tmp_path / 'out', **arguments)
    assert not (tmp_path / 'out').exists()


def test_a_training_that_fails_shows_the_end_of_its_output(tmp_path):
    (tmp_path / follow.OUTPUT).write_text('first\n' * 30)
    text = str(TrainingStopped(tmp_path, -11))
    assert text.startswith('The training ended with status -11:\nfirst') and text.count('first\n') == 15
    assert f'remove {tmp_path} first' in text
    (tmp_path / follow.OUTPUT).write_text('first\n' * 30 + 'error: \x1b[2J no room\n')
    text = str(TrainingStopped(tmp_path, 1))
    assert 'status 1:\nerror: \\x1b[2J no room' in text and 'first\n' not in text


def test_a_run_is_resumed_by_the_bare_command_whatever_it_was_begun_with(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr('mmsimmim.commands.pretraining.run._train', lambda config, resume: done.append(resume))
    monkeypatch.setattr('mmsimmim.commands.pretraining.run._finish', lambda config, page: None)
    for request in ({}, dict(seed=3, devices=2, settings=dict(lr=1e-3)), dict(seed=0, devices=1, settings={})):
        (tmp_path / 'pretrain_config.py').touch()
        (tmp_path / 'summary.json').write_text(json.dumps(dict(request=request, machine=dict(devices=1))))
        monkeypatch.setattr(sys, 'argv', ['pretrain', '--out', str(tmp_path), '--resume'])
        pretrain_command.main()
    assert done == [True] * 3
    mmsimmim.pretrain(None, tmp_path, seed=0, devices=1, resume=True)


@pytest.mark.parametrize('content', [None, '{"machine":', '[]', '{}', '{"machine": {"devices": "two"}}'])
def test_a_summary_that_is_missing_or_damaged_is_one_sentence(tmp_path, content):
    (tmp_path / 'pretrain_config.py').touch()
    if content is not None:
        (tmp_path / 'summary.json').write_text(content)
    with pytest.raises(UserError, match='summary.json.* begin anew'):
        mmsimmim.pretrain(None, tmp_path, resume=True)


def test_a_place_that_takes_no_files_is_refused_first(images, tmp_path):
    (tmp_path / 'file').touch()
    for out in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        with pytest.raises(UserError, match='cannot be written'):
            mmsimmim.pretrain(images, out)


def test_lines_of_the_log_are_read_as_they_come(tmp_path):
    """Also when half of one is on the disk, and nothing of an earlier run."""
    old = tmp_path / '1' / 'vis_data' / 'scalars.json'
    new = tmp_path / '2' / 'vis_data' / 'scalars.json'
    for path in (old, new):
        path.parent.mkdir(parents=True)
    old.write_text('{"loss": 9, "iter": 9}\n')
    os.utime(old, (1, 1))

    class Process:
        ended = None

        def poll(self):
            return self.ended

    process = Process()

    def write():
        with open(new, 'w') as file:
            for part in ('{"loss": 1, "i', 'ter": 1}\n{"loss": 2, "iter": 2}\n'):
                file.write(part)
                file.flush()
                time.sleep(0.3)
        process.ended = 0

    writer = threading.Thread(target=write)
    writer.start()
    seen = [record for record in follow.records(process, tmp_path) if record]
    writer.join()
    assert seen == [dict(loss=1, iter=1), dict(loss=2, iter=2)]
