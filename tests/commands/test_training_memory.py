"""tools/analysis_tools/training_memory.py."""

from dataclasses import replace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmsimmim.analysis.memory import step_memory
from mmsimmim.analysis.memory.step_memory import Step, measure_activations
from mmsimmim.commands.training_memory import GIB, MARGIN, Size, main, make_table, measure
from mmsimmim.registry import MODELS
from tests.commands.conftest import CONFIG, REPO


class SwinBlock(nn.Linear):
    """A unit by its name."""


class Model(nn.Module):

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(10, 10, bias=False), SwinBlock(10, 20), SwinBlock(20, 10))
        self.neck = nn.Linear(10, 3, bias=False)


def test_units():
    """Blocks of 220 and 210 parameters, 100 beside them in the backbone, 30 outside of it."""
    with torch.device('meta'):
        assert measure(Model()) == Size(parameters=560, largest_unit=220, outer_units=130)
        assert measure(Model(), blocks=('Sequential', )) == Size(parameters=560, largest_unit=530, outer_units=30)


def test_bytes():
    """Float32: weights, gradients and two moments 16, sent gradients 4; copies in bfloat16 2; a checkpoint 12."""
    size = Size(parameters=800, largest_unit=50)
    assert size.bytes_when_replicated() == 22 * 800
    assert replace(size, views=True).bytes_when_replicated() == 18 * 800
    assert replace(size, views=True).bytes_when_sharded(8) == size.bytes_when_sharded(8)
    assert size.bytes_when_sharded(8) == 16 * 100 + 16 * 50 + 2 * 800
    assert size.bytes_when_sharded(3) == 16 * 267 + 16 * 50 + 2 * 800  # the largest of unequal shares
    assert replace(size, outer_units=9).bytes_when_sharded(8) == size.bytes_when_sharded(8) + 8 * 9
    assert size.checkpoint() == 12 * 800


def test_bytes_of_a_step():
    """Measured activations include the copies in bfloat16."""
    size = Size(parameters=800, largest_unit=50, activations=7000)
    assert size.bytes_when_replicated() == 20 * 800 + 7000
    assert size.bytes_when_sharded(8) == 16 * 100 + 16 * 50 + 7000
    assert size.checkpoint() == 12 * 800


@pytest.mark.parametrize('gigabytes, gpus', [(90, 1), (70, 2), (51, 4), (43, 8), (38, 19), (35, None)])
def test_gpus_needed(gigabytes, gpus):
    """A state of 48 GB, 28 GB of a step, and 2 GB of full units, of which all but the state are on each GPU."""
    size = Size(parameters=3 * 10**9, largest_unit=10**8, outer_units=5 * 10**7, activations=28 * 10**9)
    assert size.gpus_needed(gigabytes) == gpus
    if gpus is not None and gpus > 1:
        assert size.bytes_when_sharded(gpus) * MARGIN <= gigabytes * 1e9
        assert size.bytes_when_sharded(gpus - 1) * MARGIN > gigabytes * 1e9 or gpus == 2


def test_table():
    rows = make_table(dict(one=Size(GIB, GIB // 16)), [8]).splitlines()
    assert rows[0] == '| model | parameters | a copy on each GPU | sharded over 8 GPUs | checkpoint |'
    assert rows[2] == '| one | 1074M | 22.0 | 5.0 | 12.0 |'
    rows = make_table(dict(one=Size(GIB, GIB // 16)), [], fit=[24, 10.5, 2]).splitlines()
    assert rows[0].endswith('| checkpoint | GPUs of 24 GB | GPUs of 10.5 GB | GPUs of 2 GB |')
    assert rows[2] == '| one | 1074M | 22.0 | 12.0 | 1 | 3 | none |'


def test_table_of_steps():
    size = Size(GIB, GIB // 16, activations=3 * GIB)
    rows = make_table(dict(one=size), [], dict(one=Step((800, 1333), 2))).splitlines()
    assert rows[0] == '| model | parameters | image | images | activations | a copy on each GPU | checkpoint |'
    assert rows[2] == '| one | 1074M | 1333 x 800 | 2 | 3.0 | 23.0 | 12.0 |'


@pytest.mark.parametrize('arch, parameters, copy', [('huge', '664M', '11.1'), ('giant', '3010M', '50.5')])
def test_tool(capsys, arch, parameters, copy):
    """Gradients are views of the buckets, as the config says: 18 bytes per parameter."""
    channels = dict(huge=2816, giant=4096)[arch]
    config = REPO / 'configs' / 'pretrain' / 'simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-500k_in1k-192px.py'
    main([str(config), '--gpus', '4', '--cfg-options', f'model.backbone.arch={arch}',
          f'model.neck.in_channels={channels}'])
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith(f'| {config.stem} | {parameters} | {copy} |') and row.count('|') == 6


STEP = [str(CONFIG), '--step', '--gpus']


def run(capsys, *arguments):
    """Rows of the table that the tool prints for a step of the tiny model."""
    main([*STEP, *arguments])
    return [row.strip('| ').split(' | ') for row in capsys.readouterr().out.splitlines()[4:]]


def test_step(capsys):
    """Size and number of the images are the config's, and what is measured is in the total."""
    row, = run(capsys, '--cfg-options', 'train_dataloader.batch_size=512')
    cfg = Config.fromfile(CONFIG)
    size = measure(MODELS.build(cfg.model))
    measured = measure_activations(cfg, Step((32, 32), 512), 'cpu')
    total = 20 * size.parameters + measured
    assert measured > 0.1 * GIB
    assert row == [CONFIG.stem, '0M', '32 x 32', '512', f'{measured / GIB:.1f}', f'{total / GIB:.1f}', '0.0']


def test_options_of_a_step(capsys, monkeypatch):
    asked = []

    def measured(cfg, step, device):
        asked.append((step, device))
        return (2 - cfg.model.backbone.with_cp) * GIB

    monkeypatch.setattr(step_memory, 'measure_activations', measured)
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    rows = run(capsys, '--images-per-gpu', '3', '--shape', '64', '96', '--with-cp')
    assert asked == [(Step((64, 96), 3), 'cpu')] * 2
    assert [row[0] for row in rows] == [f'{CONFIG.stem}, with_cp=False', f'{CONFIG.stem}, with_cp=True']
    assert [row[2:5] for row in rows] == [['96 x 64', '3', '2.0'], ['96 x 64', '3', '1.0']]
    rows = run(capsys, '--with-cp', '--sequential-stages', '0', '1')
    assert [row[0].removeprefix(CONFIG.stem) for row in rows] == [
        f', with_cp={with_cp}, sequential_stages={stages}' for with_cp in (False, True) for stages in ((), (0, 1))]


def test_mistakes(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main([str(CONFIG), '--with-cp'])
    assert 'belong to --step' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(CONFIG), '--fit', '0'])
    assert '--fit takes the memory of a GPU in GB, got 0.0' in capsys.readouterr().err
    for text, message in (('', '--shape HEIGHT WIDTH'),
                          ("pipeline=[dict(type='Resize', scale=32)]", '--images-per-gpu')):
        config = tmp_path / f'{len(text)}.py'
        config.write_text(f"_base_ = '{CONFIG}'\ntrain_dataloader = dict(_delete_=True, dataset=dict({text}))\n")
        with pytest.raises(SystemExit, match=message):
            main([str(config), '--step', '--gpus'])


def test_mistake():
    with pytest.raises(SystemExit, match='no module of the classes NoBlock'):
        main([str(CONFIG), '--cfg-options', 'strategy.units=[NoBlock]'])
