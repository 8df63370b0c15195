"""Unreadable files in the log."""

from types import SimpleNamespace

import pytest
from mmengine.structures import BaseDataElement

from mmsimmim.datasets import MaskedBatch
from mmsimmim.engine.hooks import SkippedFilesHook, skipped_files


@pytest.fixture
def runner():
    lines = []
    return SimpleNamespace(epoch=0, iter=0, lines=lines, logger=SimpleNamespace(warning=lines.append))


def batch(*skipped):
    samples = [BaseDataElement(metainfo=dict(skipped_files=files) if files else {}) for files in skipped]
    return dict(inputs=None, data_samples=samples)


def test_each_file_is_named_once_and_counted_in_every_epoch(runner):
    hook = SkippedFilesHook()
    epochs = [[batch({}, {'a': 'cut'}), batch({'b': 'no image', 'a': 'cut'})], [batch({'a': 'cut'})], [batch({})]]
    for epoch, batches in enumerate(epochs):
        runner.epoch = epoch
        for index, data in enumerate(batches):
            hook.before_train_iter(runner, index, data)
        hook.after_train_epoch(runner)
    assert runner.lines == [
        'Left out, as it cannot be read: a (cut)', 'Left out, as it cannot be read: b (no image)',
        'Unreadable files left out in epoch 1: 2 (2 since the start).',
        'Unreadable files left out in epoch 2: 1 (2 since the start).']


def test_one_note_for_a_whole_batch(runner):
    hook = SkippedFilesHook()
    for files in ({'b': 'cut', 'a': 'no image'}, None):
        samples = MaskedBatch(metainfo=dict(img_path=['c', 'd'], **(dict(skipped_files=files) if files else {})))
        hook.before_train_iter(runner, 0, dict(inputs=None, data_samples=samples))
    hook.after_train_epoch(runner)
    assert runner.lines == [
        'Left out, as it cannot be read: a (no image)', 'Left out, as it cannot be read: b (cut)',
        'Unreadable files left out in epoch 1: 2 (2 since the start).']


def test_files_of_other_ranks_are_gathered(runner, monkeypatch):
    monkeypatch.setattr(skipped_files, 'all_gather_object', lambda met: [met, {'b': 'cut'}])
    hook = SkippedFilesHook(interval=2)
    hook.before_train_iter(runner, 0, batch({'a': 'cut'}))
    assert len(runner.lines) == 1
    runner.iter = 1
    hook.before_train_iter(runner, 1, batch({}))
    assert runner.lines[1:] == ['Left out, as it cannot be read: b (cut)']
    hook.after_train_epoch(runner)
    assert runner.lines[2:] == ['Unreadable files left out in epoch 1: 2 (2 since the start).']


def test_validation_has_a_count_of_its_own(runner):
    hook = SkippedFilesHook()
    hook.before_val_iter(runner, 0, batch({'v': 'cut'}))
    hook.after_val_epoch(runner, {})
    hook.after_train_epoch(runner)
    assert runner.lines[1:] == [
        'Unreadable files left out in the validation after iteration 0: 1 (1 since the start).']


@pytest.mark.parametrize('data', [None, [1, 2], dict(inputs=1), dict(inputs=1, data_samples=None)])
def test_batches_of_other_datasets_pass(runner, data):
    SkippedFilesHook().before_train_iter(runner, 0, data)
    assert runner.lines == []
