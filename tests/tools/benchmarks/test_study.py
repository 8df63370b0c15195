"""The study at toy size: every arm is pre-trained, probed and fine-tuned, and the tables say what was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.tools.benchmarks.benchmark_scripts import load_script


@pytest.fixture(scope='module')
def study():
    return load_script('study.study_parts')


@pytest.fixture
def images(tmp_path):
    """Two classes, bright and dark, in 12 and 4 images each."""
    generator = np.random.default_rng(0)
    for side, count in (('train', 12), ('val', 4)):
        for label, low in (('bright', 128), ('dark', 0)):
            folder = tmp_path / 'images' / side / label
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(generator.integers(low, low + 128, (40, 48, 3), np.uint8)).save(folder / f'{i}.png')
    return tmp_path / 'images'


@pytest.fixture
def toy(study, monkeypatch):
    """Every kind of arm of the reduced grid, with one short epoch of everything."""
    cpu = study.STUDIES['cpu']
    base = replace(cpu.base, arch=dict(embed_dims=8, depths=[1, 1, 2], num_heads=[1, 2, 2]), pretrain_epochs=1,
                   probe_interval=1, pretrain_batch=8, finetune_epochs={100: 1}, finetune_lrs=(1e-3, 2e-3))
    inverse = {'inverse Swin': dict(embed_dims=8, depths=[1, 1, 1], num_heads=[1, 2, 2])}
    masks = {'random': {8: (0.6, )}, 'square': {16: (0.5, )}, 'block-wise': {8: (0.6, )}}
    toy = replace(cpu, base=base, masks=masks, strides=(4, ), bins={8: 1}, clusters=8, inverse=inverse,
                  main=('default', ))
    monkeypatch.setitem(study.STUDIES, 'toy', toy)
    return toy


@pytest.mark.slow
def test_every_arm_runs_and_is_reported(study, toy, images, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    results = study.run_all(('toy', images, out, 2), jobs=1)
    arms = [arm.name for arm in study.all_arms(toy, out / 'palette.npy')]
    assert sorted(run['arm'] for run in results['runs']) == sorted([*arms, 'default'])
    assert len(results['untrained']) == 2 and set(results['rates']['SimMIM']['tried']) == {'0.001', '0.002'}
    assert all(0 <= run[measure] <= 100 for run in results['runs'] for measure in ('knn', 'linear', 'accuracy'))
    text = (out / 'results.md').read_text()
    assert all(f'\n| {name} |' in text for name in arms)
    assert {path.name for path in out.glob('*.png')} == {'study_masks.png', 'study_others.png'}

    monkeypatch.setattr(study, 'train', lambda cfg: pytest.fail('a finished part was run again'))
    assert study.run_all(('toy', images, out, 2), jobs=1) == json.loads((out / 'results.json').read_text()) == results


def test_a_report_before_anything_is_finished(images, tmp_path, monkeypatch, capsys):
    arguments = ['study.py', str(images), '--out', str(tmp_path / 'out'), '--report']
    monkeypatch.setattr('sys.argv', arguments)
    load_script('study.study').main()
    assert '| random initialisation | – |' in capsys.readouterr().out
    monkeypatch.setattr('sys.argv', [arguments[0], str(tmp_path), *arguments[2:]])
    with pytest.raises(SystemExit, match='train/ and validation/'):
        load_script('study.study').main()


@pytest.mark.parametrize('preset', ['cpu', 'gpu'])
def test_arms_differ_from_the_default_in_one_thing(study, preset, tmp_path):
    settings = study.STUDIES[preset]
    arms = study.all_arms(settings, tmp_path / 'palette.npy')
    assert len({arm.file_name for arm in arms}) == len({arm.name for arm in arms}) == len(arms)
    assert set(settings.main) <= {arm.name for arm in arms}

    def parts(arm):
        cfg = study.arm_config(settings, arm, 0, tmp_path, tmp_path, tmp_path / 'work')
        return dict(mask=cfg.train_dataloader.dataset.pipeline[-2].to_dict(), neck=cfg.model.neck.to_dict(),
                    head=cfg.model.head.to_dict(), target=cfg.model.get('target_generator'))

    default = parts(arms[0])
    for arm in arms[1:]:
        changed = {name for name, part in parts(arm).items() if part != default[name]}
        classes = arm.name.startswith(('bins', 'clusters'))
        expected = {'mask': {'mask'}, 'head': {'neck'}, 'area': {'head'},
                    'target': {'target', 'head'} if classes else {'head'} if arm.name in ('L2', 'SmoothL1') else
                    {'target'}}[arm.group]
        assert changed == expected, arm.name


def test_tables_compare_runs_of_the_same_seed(study):
    measured = [('default', '', 0, 40.), ('default', '', 1, 50.), ('MLP', 'head', 1, 47.)]
    runs = [dict(arm=arm, group=group, seed=seed, accuracy=accuracy, knn=10., linear=20.)
            for arm, group, seed, accuracy in measured]
    results = dict(runs=runs, untrained=[dict(seed=0, accuracy=30., knn=5., linear=6.)],
                   distances=dict(default=8., MLP=8.))
    lines = study.tables(results).splitlines()
    assert '| MLP | 8.0 | 10.0 | 20.0 | 47.0 | -3.0 | 1 |' in lines
    assert '| default | 8.0 | 10.0 ± 0.0 | 20.0 ± 0.0 | 45.0 ± 7.1 | – | 2 |' in lines
    assert '| random initialisation | – | 5.0 | 6.0 | 30.0 | – | 1 |' in lines
