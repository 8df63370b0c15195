"""tools/analysis_tools/scaling.py."""

import json

import pytest
import torch
from mmengine.config import Config

from mmsimmim.analysis.flops import cost_of
from mmsimmim.commands.scaling import main, operations
from tests.commands.conftest import CONFIG, REPO

SWIN = REPO / 'configs' / 'pretrain' / 'simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'
HUGE = REPO / 'configs' / 'pretrain' / 'simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-800e_in1k-192px.py'


def row(**changes):
    return dict(dict(model='ours-compiled', arch='swin-base', batch_size=64, dtype='bfloat16', device='cuda',
                     images_per_second=640., step_ms=100.), **changes)


@pytest.fixture
def run(capsys, tmp_path):
    """A function that runs the tool on some measured rows and returns the cells of its tables."""

    def call(*arguments, rows=()):
        (tmp_path / 'times.json').write_text(json.dumps(dict(rows=rows)))
        main([*map(str, arguments), '--step-times', str(tmp_path / 'times.json')])
        tables = capsys.readouterr().out.split('\n\n')
        return [[line.strip('| ').split(' | ') for line in table.splitlines()[2:]] for table in tables
                if table.startswith('|')]

    return call


def test_a_measured_step(run):
    """89,874,104 parameters; the row of the right model and precision: 100 ms / 64 images, so 200 ms for 128."""
    others = [row(model='mmpretrain', step_ms=1.), row(dtype='float32', step_ms=2.), row(arch='swin-large', step_ms=3.)]
    configs, slow, fast = run(SWIN, '--gigabits', 25, 100, rows=[*others, row()])
    assert configs == [['swin-base-w6', '90M', '128', '200', 'measured, batch 64, cuda', '719', '359', '1066']]
    # 8 x 89.9 MB / 3.125 GB/s = 230 ms; 1 / (1 - 200 / 230.1) = 7.6; 1 + 3200 / 230.1 = 14.9
    assert slow[0] == ['swin-base-w6', 'DDP', '230', '16', '16', '16']
    assert slow[1] == ['swin-base-w6', 'DDP, bf16', '115', 'never', 'never', '32']  # 1 + 3200 / 115.0 = 28.8
    assert fast[0][2:] == ['58', 'never', 'never', '64']  # 1 + 3200 / 57.5 = 56.6
    assert run(SWIN, '--model', 'mmpretrain', rows=[*others, row()])[0][0][3:5] == ['2', 'measured, batch 64, cuda']
    assert [line[0] for line in run(SWIN, SWIN, rows=[row()])[0]] == ['swin-base-w6', SWIN.stem]


def test_an_assumed_rate(run):
    """Without a measured step; three forward passes of the operations that get_flops.py counts, recomputing four."""
    cfg = Config.fromfile(SWIN)
    cost = cost_of(cfg, (192, 192))
    assert operations(cfg) == pytest.approx(2 * cost.flops, rel=0.01)
    plain, = run(SWIN, '--tflops', 100, '--gigabits', 25)[0]
    assert plain[3:5] == [f'{128 * 3 * operations(cfg) / 1e14 * 1e3:.0f}', 'assumed: 100 TFLOP/s']
    recomputes, = run(SWIN, '--tflops', 100, '--cfg-options', 'model.backbone.with_cp=True')[0]
    assert int(recomputes[3]) == pytest.approx(int(plain[3]) * 4 / 3, abs=1)


def test_nothing_without_values_stays_behind(run):
    cfg = Config.fromfile(CONFIG)
    operations(cfg)
    from mmsimmim.registry import MODELS
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        assert model.backbone(torch.rand(1, 3, 32, 32))[-1].isfinite().all()


def test_parameters_that_are_gathered_once(run):
    """Huge: the head outside of the encoder, 2816 x 3072 + 3072 parameters, is gathered once."""
    sent = run(HUGE)[0][0][-3:]
    assert sent == ['5310', '2655', f'{(12 * 663_728_880 - 4 * (2816 * 3072 + 3072)) / 1e6:.0f}']


@pytest.mark.parametrize('content', ['no json', '[]', '{"rows": [{"arch": "swin-base"}]}'])
def test_other_files(tmp_path, content):
    (tmp_path / 'times.json').write_text(content)
    with pytest.raises(SystemExit, match=r'times.json is no file of tools/benchmarks/step/throughput.py --json: '):
        main([str(CONFIG), '--step-times', str(tmp_path / 'times.json')])


def test_mistakes(capsys):
    for arguments in (['--tflops', '0'], ['--gigabits', '25', '-1'], ['--total', '0']):
        with pytest.raises(SystemExit):
            main([str(CONFIG), *arguments])
        assert f'{arguments[0]} must be above 0' in capsys.readouterr().err
