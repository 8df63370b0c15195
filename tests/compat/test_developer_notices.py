"""What concerns only who programs with MMEngine is at DEBUG level, and whatever concerns a user stays."""

import logging
import re
import warnings

import pytest
from mmengine.evaluator import metric
from mmengine.evaluator.metric import BaseMetric
from mmengine.fileio import FileClient, HardDiskBackend
from mmengine.logging import MMLogger
from mmengine.runner import CheckpointLoader

from mmsimmim.compat import developer_notices


class Accuracy(BaseMetric):
    def process(self, data_batch, data_samples):
        pass

    def compute_metrics(self, results):
        return {}


def log(tmp_path, monkeypatch, level):
    logger = MMLogger(f'notices_{level}', log_file=str(tmp_path / 'run.log'), log_level=level)
    monkeypatch.setattr(MMLogger, '_instance_dict', {logger.instance_name: logger})
    return tmp_path / 'run.log'


@pytest.mark.parametrize('level', ['INFO', 'DEBUG'])
def test_notices_are_at_debug_level(tmp_path, monkeypatch, level, capsys):
    text = log(tmp_path, monkeypatch, level)
    FileClient('disk')
    HardDiskBackend()  # of which FileClient keeps one
    Accuracy()
    with pytest.raises(FileNotFoundError):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'missing.pth'))
    expected = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias', 'prefix is not set',
                'Loads checkpoint by')
    assert [notice in text.read_text() for notice in expected] == [level == 'DEBUG'] * 4
    if level == 'INFO':
        assert capsys.readouterr().out == ''


def test_other_messages_of_the_same_modules_stay(tmp_path, monkeypatch):
    text = log(tmp_path, monkeypatch, 'INFO')
    Accuracy().evaluate(0)
    metric.print_log('Results has been saved.', logger='current')
    assert 'WARNING - Accuracy got empty `self.results`' in text.read_text()
    assert 'INFO - Results has been saved.' in text.read_text()


def test_a_second_call_changes_nothing():
    before = metric.print_log
    re.purge()  # patterns of the first call are other objects
    developer_notices.apply()
    assert metric.print_log is before and isinstance(before.__wrapped__, type(logging.getLogger))


def test_warnings_of_functions_that_frameworks_call_themselves(recwarn):
    developer_notices.apply()
    warnings.warn('``build_loss`` would be deprecated soon, please use ``mmseg.registry.MODELS.build()`` ')
    warnings.warn('DeprecationWarning: `num_anchors` is deprecated, for consistency')
    warnings.warn('Default ``avg_non_ignore`` is False')
    assert [str(warning.message) for warning in recwarn] == ['Default ``avg_non_ignore`` is False']


def test_what_a_framework_of_the_fork_lacks_is_not_printed(capsys):
    from mmengine.logging import print_log

    print_log('Could not import OneDL. Skipping OneDL datasets.', level=logging.DEBUG)
    print_log('Could not import what you need', level=logging.INFO)
    assert capsys.readouterr().out == 'Could not import what you need\n'
