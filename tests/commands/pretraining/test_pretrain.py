"""From a folder to a backbone, an interruption in between, and the same weights by tools/train.py."""

import json
import os
import signal
import sys
import threading
import time
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image

import mmsimmim
from mmsimmim.commands import train
from mmsimmim.commands.pretraining import TrainingStopped, follow
from mmsimmim.errors import UserError
from mmsimmim.interruption import RESUMABLE

SETTINGS = {'max_iters': 6, 'warmup': 1, 'interval': 2, 'batch_size': 4, 'num_workers': 0}


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    values = torch.randint(0, 255, (24, 48, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for number, image in enumerate(values.numpy()):
        Image.fromarray(image).save(folder / f'{number}.png')
    return folder


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_a_run_that_is_interrupted_and_resumed_equals_the_training_of_its_config(images, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'run'

    def interrupt(process, work_dir, records=follow.records):
        sent = False
        for record in records(process, work_dir):
            if record and 'loss' in record and record['iter'] >= 2 and not sent:
                sent = True  # a second one ends it at once
                process.send_signal(signal.SIGTERM)
            yield record

    with monkeypatch.context() as patch:
        patch.setattr('mmsimmim.commands.pretraining.run.records', interrupt)
        with pytest.raises(TrainingStopped, match=r'--resume \(resume=True\) goes on') as stopped:
            mmsimmim.pretrain(images, out, arch='swin-atto', img_size=32, settings={
                **SETTINGS, 'default_hooks.logger.interval': 1})
    assert stopped.value.status == RESUMABLE and 'Stopped. mmsimmim pretrain --out' in (out / 'report.html').read_text()

    result = mmsimmim.pretrain(None, out, resume=True)
    text = capsys.readouterr().out
    assert 'of them are held out' in text and '6/6  loss' in text and 'mmsimmim reconstruct' in text
    assert result.checkpoint == out / 'train' / 'iter_6.pth' and set(result.files) == {'backbone', 'timm', 'hf'}
    assert json.loads((out / 'summary.json').read_text()) == json.loads(json.dumps(result.summary))
    assert {path.name for path in (out / 'pictures').iterdir()} == {
        'inputs.png', 'curves.png', 'reconstruction_first.png', 'reconstruction_middle.png', 'reconstruction.png'}
    page = (out / 'report.html').read_text()
    HTMLParser().feed(page)
    assert 'Finished after 6 iterations.' in page and 'http-equiv="refresh"' not in page

    monkeypatch.setattr(sys, 'argv', ['train', str(result.config), '--work-dir', str(tmp_path / 'other')])
    train.main()
    assert_equal(weights(result.checkpoint), weights(tmp_path / 'other' / 'iter_6.pth'))
    trained = weights(result.checkpoint)
    loaded = {name: value for name, value in mmsimmim.load(result.files['backbone']).state_dict().items()
              if name.startswith('backbone.') and name != 'backbone.mask_token'}
    assert len(loaded) > 50
    assert_equal(loaded, {name: trained[name] for name in loaded})


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
    (tmp_path / follow.OUTPUT).write_text('first\n' * 30 + 'error: \x1b[2J no room\n')
    text = str(TrainingStopped(tmp_path, 1))
    assert text.startswith('The training ended with status 1:\nfirst') and text.count('first') == 14
    assert 'error: \\x1b[2J no room' in text


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
