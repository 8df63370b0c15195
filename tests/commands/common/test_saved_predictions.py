"""Which metrics are told to write, and where. What they write: tests/commands/test_saved_predictions.py."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmsimmim.commands.common.saved_predictions import require_distinct_names, save_predictions
from mmsimmim.errors import UserError


def config(scope, evaluator):
    return Config(dict(default_scope=scope, test_evaluator=evaluator))


@pytest.mark.parametrize('scope, evaluator, written', [
    ('mmdet', dict(type='CocoMetric', ann_file='x.json'), dict(outfile_prefix='saved/predictions')),
    ('mmdet', dict(type='mmdet.LVISMetric', ann_file='x.json'), dict(outfile_prefix='saved/predictions')),
    ('mmdet', dict(type='CocoOccludedSeparatedMetric', ann_file='x.json'), dict(outfile_prefix='saved/predictions')),
    ('mmseg', dict(type='IoUMetric'), dict(output_dir='saved')),
    ('mmseg', dict(type='CityscapesMetric'), dict(output_dir='saved', keep_results=True)),
    ('mmdet', dict(type='mmseg.IoUMetric'), dict(output_dir='saved'))])
def test_what_a_metric_is_told(tmp_path, monkeypatch, scope, evaluator, written):
    monkeypatch.chdir(tmp_path)
    cfg = config(scope, evaluator)
    assert save_predictions(cfg, 'saved') == [next(iter(written.values()))]
    assert dict(cfg.test_evaluator) == dict(evaluator, **written) and (tmp_path / 'saved').is_dir()


@pytest.mark.parametrize('wrap', [lambda metrics: metrics, lambda metrics: dict(type='Evaluator', metrics=metrics)])
def test_several_metrics_write_apart(tmp_path, monkeypatch, wrap):
    monkeypatch.chdir(tmp_path)
    metrics = [dict(type='CocoMetric', ann_file='a'), dict(type='VOCMetric'), dict(type='CocoMetric', ann_file='b')]
    cfg = config('mmdet', wrap(metrics))
    assert save_predictions(cfg, 'saved') == ['saved/predictions', 'saved/predictions_2']
    found = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else cfg.test_evaluator.metrics
    assert [metric.get('outfile_prefix') for metric in found] == ['saved/predictions', None, 'saved/predictions_2']


@pytest.mark.parametrize('scope, evaluator, message', [
    ('mmdet', dict(type='VOCMetric'), 'test_evaluator has: VOCMetric. --out'),
    ('mmpretrain', dict(type='Accuracy'), 'test_evaluator has: Accuracy'), ('mmseg', None, 'has: none'),
    ('mmdet', dict(type='CocoMetric'), 'of type CocoMetric has no ann_file')])
def test_what_cannot_write_is_refused(tmp_path, scope, evaluator, message):
    with pytest.raises(UserError, match=message):
        save_predictions(config(scope, evaluator), str(tmp_path / 'saved'))
    assert not (tmp_path / 'saved').exists()


@pytest.mark.parametrize('paths, twice', [
    (['a/1.png', 'a/2.png'], ''), (['a/1.png', 'b/1.jpg', 'b/2.png'], '2 share .*a/1.png, b/1.jpg')])
def test_names_of_label_maps(paths, twice):

    class Images(list):

        def get_data_info(self, i):
            return dict(img_path=self[i])

    run = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=Images(paths)),
                          test_evaluator=SimpleNamespace(metrics=[SimpleNamespace(output_dir='saved')]))
    if twice:
        with pytest.raises(UserError, match=twice):
            require_distinct_names(run)
        run.test_evaluator.metrics[0].output_dir = None
    require_distinct_names(run)
