"""The downstream benchmark at toy size: both Swins are the same model, and figures are those that were measured."""

import json
from dataclasses import replace

import pytest
import torch
import torch._inductor.config

from tests.commands.conftest import CONFIG
from tests.tools.benchmarks.benchmark_scripts import load_script


@pytest.fixture(scope='module')
def script():
    return load_script('step.downstream')


@pytest.fixture(scope='module')
def models():
    return load_script('step.downstream_models')


@pytest.fixture(scope='module')
def measuring():
    return load_script('step.downstream_measure')


@pytest.fixture(autouse=True)
def toys(models, monkeypatch):
    for name, kind in (('det', 'detector'), ('seg', 'segmentor')):
        config = CONFIG.with_name(f'tiny_{kind}.py')
        monkeypatch.setitem(models.TASKS, name, replace(models.TASKS[name], config=str(config), size=64, batch_size=2))
    with torch._inductor.config.patch(force_disable_caches=False):
        yield


@pytest.mark.parametrize('task, framework', [('det', 'mmdet'), ('seg', 'mmseg')])
def test_both_are_the_same_model_and_are_timed(script, measuring, task, framework, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measuring, 'compile_ours',
                        lambda model: model.backbone.compile(backend='eager') or 'backbone')
    monkeypatch.setattr(measuring, 'compile_theirs', lambda model: 1 / 0)
    path = tmp_path / 'figures.json'
    script.main(['--task', task, '--device', 'cpu', '--steps', '2', '--warmup', '1', '--compile', '--json', str(path)])
    text, (result, ) = capsys.readouterr().out, json.loads(path.read_text())['tasks']
    ours, theirs, compiled = result['rows']
    assert [row['model'] for row in result['rows']] == ['ours', framework, 'ours-compiled']
    assert theirs['times_framework'] == theirs['inference_times_framework'] == 1
    for row in result['rows']:
        assert row['first_loss'] == pytest.approx(theirs['first_loss'], rel=1e-4)
        assert row['images_per_second'] == pytest.approx(2e3 / row['step_ms'])
        assert row['times_framework'] == pytest.approx(theirs['step_ms'] / row['step_ms'])
        assert row['inference_times_framework'] == pytest.approx(theirs['inference_ms'] / row['inference_ms'])
        for figure, spread in (('step_ms', 'quartiles_ms'), ('inference_ms', 'inference_quartiles_ms')):
            assert 0 < row[spread][0] <= row[figure] <= row[spread][1]
    assert ours['cold_start_s'] is None and compiled['cold_start_s'] > 0 and torch._inductor.config.force_disable_caches
    assert result['left_out'] == [dict(model=f'{framework}-compiled', reason='ZeroDivisionError: division by zero')]
    assert f'| {framework}-compiled | none: ZeroDivisionError' in text and 'ours-compiled: compiled backbone' in text


def test_proposals_are_made_up_in_training_only(models, measuring):
    task = models.TASKS['det']
    model, _ = models.build_pair(models.model_config(task, 'tiny'), 'mmdet')
    batch = measuring.synthetic_batch(model, 'mmdet', (64, 64), 1)
    own = model.rpn_head.predict_by_feat
    measuring.set_synthetic_training_proposals(model, batch)
    scores = [torch.zeros(1, 3, 4, 4)]
    boxes = model.train().rpn_head.predict_by_feat(scores)[0].bboxes
    objects = batch['data_samples'][0].gt_instances.bboxes
    assert (boxes[0] - objects[0]).abs().max() < 0.1 * 64
    model.eval()
    with pytest.raises(TypeError):  # the first stage itself, which wants more than scores
        model.rpn_head.predict_by_feat(scores)
    assert own.__self__ is model.rpn_head


def test_shipped_configs_are_taken(models, monkeypatch):
    monkeypatch.undo()
    for task in models.TASKS.values():
        for arch in models.ARCHS:
            model = models.model_config(task, arch)
            own = models.with_own_backbone(model, task.framework)
            assert model.backbone.drop_path_rate == own.backbone.drop_path_rate == 0
            assert own.backbone.type == f'{task.framework}.SwinTransformer'
            assert own.backbone.embed_dims == models.ARCHS[arch]['embed_dims'] and own.get('neck') == model.get('neck')


@pytest.mark.parametrize('option', ['--size', '--batch-size', '--steps', '--warmup'])
def test_sizes_are_positive(script, option, capsys):
    with pytest.raises(SystemExit):
        script.parse_args([option, '0'])
    assert f'{option} must be at least 1' in capsys.readouterr().err


def test_batch_norm_of_a_segmentor_needs_two_images(script, capsys):
    for arguments in ([], ['--task', 'seg']):
        with pytest.raises(SystemExit):
            script.parse_args([*arguments, '--batch-size', '1'])
        assert 'take 2, or --task det' in capsys.readouterr().err
    assert script.parse_args(['--task', 'det', '--batch-size', '1']).batch_size == 1


@pytest.mark.parametrize('device', ['mps', 'cuda:99'])
def test_a_device_that_is_not_there_is_refused(script, device):
    with pytest.raises(SystemExit, match=f'error: --device.*{device}'):
        script.main(['--device', device])
