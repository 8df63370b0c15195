"""The benchmarks of MMEngine's loop and of the import at toy size."""

import json
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from tests.commands.conftest import CONFIG
from tests.tools.benchmarks.benchmark_scripts import load_script


@pytest.fixture(scope='module')
def loop():
    return load_script('step.training_loop_measure')


@pytest.fixture(scope='module')
def import_time():
    return load_script('import_time')


def toy_config(**changes):
    cfg = Config.fromfile(CONFIG)
    cfg.train_dataloader.update(batch_size=2, dataset=dict(pipeline=cfg.train_pipeline))
    cfg.merge_from_dict(changes)
    return cfg


def test_both_loops_train_the_same_model(loop, monkeypatch):
    steps, seconds = [], iter(range(1000))
    bare_step = loop.bare_step

    def counted(runner):
        step = bare_step(runner)
        return lambda batch: steps.append(runner.epoch) or step(batch)

    class Watch:
        """A clock that a test can foresee: each reading is a second longer than the one before."""

        def __init__(self, device):
            pass

        def start(self):
            pass

        def mark(self, name):
            pass

        def stop(self):
            return dict(steps=next(seconds))

    monkeypatch.setattr(loop, 'bare_step', counted)
    monkeypatch.setattr(loop, 'Stopwatch', Watch)
    row = loop.measure('toy', toy_config(), SimpleNamespace(steps=3, rounds=2, history=10))
    assert steps == [0] * 3 + [1] * 3 + [2] * 3  # before each epoch as many, the first of which do not count
    assert row['bare_ms'] == pytest.approx(1e3 * (2 + 4) / 2 / 3) and row['batch_size'] == 2
    assert row['loop_ms'] == pytest.approx(1e3 * (3 + 5) / 2 / 3)
    assert row['adds_ms'] == pytest.approx(1e3 / 3) and row['share'] == pytest.approx(1 / 3)
    table = load_script('step.training_loop').table([row])
    assert '| toy | 2 | 1000.00 | 1333.33 | 333.33 (333.33–333.33) | +33.3% |' in table


def test_the_tiny_model_has_the_shipped_hooks(loop, tmp_path):
    cfg = loop.tiny_config()
    shipped = set(cfg.default_hooks)
    loop.prepare(cfg, 2, 1, str(tmp_path))
    assert set(cfg.default_hooks) == shipped - {'reconstruction'} and cfg.default_hooks.checkpoint.interval == -1
    assert cfg.custom_hooks[-1]['shape'] == (64, 64) and cfg.custom_hooks[-1]['masked_batch']
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'


@pytest.mark.parametrize('changes, message', [
    (dict(default_scope='mmdet'), 'only configs of SimMIM'),
    ({'train_cfg.type': 'IterBasedTrainLoop'}, 'must be EpochBasedTrainLoop'),
    ({'optim_wrapper.dtype': 'float16'}, 'must be bfloat16'),
    ({'train_cfg.max_epochs': 2}, '--rounds must be less than the 2 epochs'),
])
def test_what_cannot_be_timed_is_refused(loop, changes, message, tmp_path):
    with pytest.raises(loop.UserError, match=message):
        loop.prepare(toy_config(**changes), 2, 2, str(tmp_path))


def test_every_config_is_timed_with_either_hook(loop, monkeypatch, tmp_path, capsys):
    def measure(name, cfg, args):
        assert cfg.train_dataloader.batch_size == (2 if name.startswith('tiny') else 3)
        hooks.append(cfg.default_hooks.runtime_info.type)
        return dict(model=name, batch_size=1, bare_ms=1., loop_ms=2., adds_ms=1., quartiles_ms=[1., 1.], share=1.)

    hooks, path = [], tmp_path / 'figures.json'
    monkeypatch.setattr(loop, 'measure', measure)
    load_script('step.training_loop').main([str(loop.TINY_BASE), '--batch-size', '3', '--json', str(path)])
    names = ['tiny', loop.TINY_BASE.stem]
    rows = json.loads(path.read_text())['rows']
    assert [row['model'] for row in rows] == [name + end for name in names for end in ('', ", MMEngine's hook")]
    assert hooks[1::2] == ['RuntimeInfoHook'] * 2 and 'RuntimeInfoHook' not in hooks[::2]
    assert '| 1.00 | 2.00 | 1.00 (1.00–1.00) | +100.0% |' in capsys.readouterr().out


def test_import_times_are_compared_to_the_first(import_time, tmp_path, capsys):
    path = tmp_path / 'figures.json'
    statements = ['import time; time.sleep(0.05)', 'import time; time.sleep(0.15)']
    (tmp_path / 'tool.py').write_text('import sys\nassert sys.argv[1:] == ["an argument"]\nsum(range(10**6))\n')
    command = f'{tmp_path}/tool.py "an argument"'
    import_time.main(['--rounds', '2', '--statements', *statements, '--commands', command, '--json', str(path)])
    first, second, tool = json.loads(path.read_text())['rows']
    assert first['adds'] == 0 and first['ratio'] == 1 and first['seconds'] >= 0.05
    assert second['seconds'] >= 0.15 and second['adds'] == pytest.approx(second['seconds'] - first['seconds'])
    assert tool['statement'] == command and 0 < tool['core_seconds']
    assert f"{second['ratio']:.2f}" in capsys.readouterr().out


def test_a_failing_import_is_shown(import_time):
    with pytest.raises(SystemExit, match='No module named .no_such_package'):
        import_time.main(['--rounds', '1', '--statements', 'import no_such_package', '--commands'])


@pytest.mark.parametrize('script, option', [('step.training_loop', '--steps'), ('step.training_loop', '--rounds'),
                                            ('step.training_loop', '--batch-size'), ('import_time', '--rounds')])
def test_numbers_are_positive(script, option, capsys):
    with pytest.raises(SystemExit):
        load_script(script).parse_args([option, '0'])
    assert f'{option} must be at least 1' in capsys.readouterr().err
