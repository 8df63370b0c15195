"""tools/test.py: results, pictures, and what it says to mistakes."""

import json
import pickle
import runpy
import sys

import pytest
import torch
import torch.distributed
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmsimmim.commands.common import testing
from mmsimmim.commands.common.mistakes import report_mistakes
from mmsimmim.datasets import ImageFolder
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.commands.conftest import CONFIG, REPO


@pytest.fixture
def checkpoint(tmp_path):
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'model.pth')
    return tmp_path / 'model.pth'


@pytest.fixture
def run(monkeypatch, images, tmp_path):
    """A function that runs test.py in this process."""

    def run(*arguments, config=CONFIG, loaders=('val', 'test')):
        monkeypatch.setattr(sys, 'argv', [
            'test.py', str(config), *map(str, arguments), '--work-dir', str(tmp_path), '--cfg-options',
            *(f'{loader}_dataloader.dataset.data_root={images}' for loader in loaders)])
        runpy.run_path(str(REPO / 'tools' / 'test.py'), run_name='__main__')

    return run


@pytest.fixture
def message_of(run, capsys):

    def message_of(*arguments, **kwargs):
        with pytest.raises(SystemExit) as caught:
            run(*arguments, **kwargs)
        return f'{caught.value.code} {capsys.readouterr().err}'

    return message_of


def test_metrics(run, checkpoint, tmp_path):
    run(checkpoint, '--out', tmp_path / 'results' / 'metrics.json')
    loss = json.loads((tmp_path / 'results' / 'metrics.json').read_text())['reconstruction/masked_loss']
    run(checkpoint, '--out', tmp_path / 'again.json')
    assert json.loads((tmp_path / 'again.json').read_text())['reconstruction/masked_loss'] == loss > 0


def test_connected_processes_part_in_the_end(run, checkpoint, left_connections):
    run(checkpoint, '--launcher', 'pytorch')
    assert not torch.distributed.is_initialized() and not left_connections()


def test_predictions(run, checkpoint, images, tmp_path):
    run(checkpoint, '--out', tmp_path / 'predictions.pkl')
    predictions = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    assert 0 < len(predictions) < len(list(images.iterdir()))


def test_configs_without_test_data_use_the_validation(run, checkpoint, tmp_path):
    cfg = Config.fromfile(CONFIG)
    for name in ('test_cfg', 'test_dataloader', 'test_evaluator'):
        cfg.pop(name)
    cfg.dump(tmp_path / 'config.py')
    run(checkpoint, '--out', tmp_path / 'metrics.json', config=tmp_path / 'config.py', loaders=['val'])
    assert 'reconstruction/masked_loss' in (tmp_path / 'metrics.json').read_text()


def test_mistakes(message_of, checkpoint, tmp_path):
    assert 'none.pth does not exist' in message_of(tmp_path / 'none.pth')
    (tmp_path / 'half.pth').write_bytes(checkpoint.read_bytes()[:1000])
    assert 'half.pth cannot be used' in message_of(tmp_path / 'half.pth')
    assert '.json (metrics)' in message_of(checkpoint, '--out', 'x.txt')
    assert 'visualize_reconstruction.py' in message_of(checkpoint, '--show-dir', tmp_path)
    assert 'tta_model and tta_pipeline' in message_of(checkpoint, '--tta')
    message = message_of(checkpoint, '--save-predictions', tmp_path / 'saved')
    assert 'test_evaluator has: mmsimmim.ReconstructionLoss' in message and not (tmp_path / 'saved').exists()


def test_checkpoints_of_another_architecture_are_not_scored(message_of, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    kept = dict(content['state_dict'])
    for name in [name for name in kept if name.startswith('neck.')]:
        del kept[name]
    torch.save(dict(state_dict=kept, meta={}), tmp_path / 'other.pth')
    message = message_of(tmp_path / 'other.pth', '--out', tmp_path / 'metrics.json')
    assert 'not one of the model in the config' in message and 'it lacks 2 (neck.' in message
    wider = {name: torch.cat([value, value]) for name, value in content['state_dict'].items()}
    torch.save(dict(state_dict=wider, meta={}), tmp_path / 'other.pth')
    assert 'not one of the model in the config' in message_of(tmp_path / 'other.pth')
    assert not (tmp_path / 'metrics.json').exists()


@pytest.mark.parametrize('kind, switch, place', [
    ('VisualizationHook', 'enable', ('default_hooks', 'visualization', 'out_dir')),
    ('mmdet.DetVisualizationHook', 'draw', ('default_hooks', 'visualization', 'test_out_dir')),
    ('SegVisualizationHook', 'draw', ('visualizer', 'save_dir'))])
def test_drawing(monkeypatch, tmp_path, kind, switch, place):
    monkeypatch.chdir(tmp_path)
    cfg = Config(dict(default_hooks=dict(visualization=dict(type=kind)), visualizer=dict(type='X')))
    testing.draw_predictions(cfg, show=False, show_dir='pictures', wait_time=1)
    value = cfg
    for key in place:
        value = value[key]
    assert value == str(tmp_path / 'pictures')
    assert cfg.default_hooks.visualization[switch] and not cfg.default_hooks.visualization.show


@pytest.mark.parametrize('scope, kind', [('mmdet', 'DetVisualizationHook'), ('mmseg', 'SegVisualizationHook')])
def test_drawing_needs_no_hook_in_the_config(scope, kind):
    cfg = Config(dict(default_scope=scope, visualizer=dict(type='X')))
    testing.draw_predictions(cfg, show=True, show_dir='pictures', wait_time=1)
    assert cfg.default_hooks.visualization.type == kind and cfg.default_hooks.visualization.show


def test_augmentation_reaches_the_inner_dataset():
    cfg = Config(dict(
        model=dict(type='M'), tta_model=dict(type='T'), tta_pipeline=[1],
        test_dataloader=dict(dataset=dict(type='Outer', dataset=dict(type='Inner', pipeline=[0])))))
    testing.use_tta(cfg)
    assert cfg.model == dict(type='T', module=dict(type='M'))
    assert cfg.test_dataloader.dataset.dataset.pipeline == [1]


def test_nothing_to_test_on():
    with pytest.raises(UserError, match='neither'):
        testing.use_validation(Config(dict()))


def test_mistakes_inside_workers_lose_the_workers_traceback():

    @report_mistakes
    def tool():
        raise UserError('Caught UserError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):'
                        '\n  File "x.py", line 1\nmmsimmim.errors.UserError: None of 3 images can be read.\n')

    with pytest.raises(SystemExit, match='^error: None of 3 images can be read.$'):
        tool()


@pytest.mark.slow
def test_dist_test_on_two_cpus_finds_the_same(run, run_tool, checkpoint, images, tmp_path):
    """Also of an odd number of images, one of which a process reads twice to have as many as the other."""
    cfg = Config.fromfile(CONFIG)
    cfg.test_dataloader.dataset.val_ratio = 0.25
    assert len(ImageFolder(str(images), split='val', val_ratio=0.25)) == 7
    cfg.dump(tmp_path / 'odd.py')
    run(checkpoint, '--out', tmp_path / 'one.json', config=tmp_path / 'odd.py')
    code, output = run_tool('tools/dist_test.sh', tmp_path / 'odd.py', checkpoint, 2, '--work-dir', tmp_path, '--out',
                            tmp_path / 'two.json', PORT='29618')
    assert code == 0, output
    one, two = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('one', 'two'))
    assert two['reconstruction/masked_loss'] == pytest.approx(one['reconstruction/masked_loss'], rel=1e-6)
