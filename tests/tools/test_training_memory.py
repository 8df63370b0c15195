"""tools/analysis_tools/training_memory.py."""

import pytest
import torch
from torch import nn

from tools.analysis_tools.training_memory import GIB, Size, main, make_table, measure

from .conftest import CONFIG, REPO


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
        assert measure(Model()) == Size(parameters=560, largest_unit=220)
        assert measure(Model(), blocks=('Sequential', )) == Size(parameters=560, largest_unit=530)


def test_bytes():
    """Float32: weights, gradients and two moments 16, sent gradients 4; copies in bfloat16 2; a checkpoint 12."""
    size = Size(parameters=800, largest_unit=50)
    assert size.with_copies() == 22 * 800
    assert size.with_shares(8) == 16 * 100 + 16 * 50 + 2 * 800
    assert size.with_shares(3) == 16 * 267 + 16 * 50 + 2 * 800  # the largest of unequal shares
    assert size.checkpoint() == 12 * 800


def test_table():
    rows = make_table(dict(one=Size(GIB, GIB // 16)), [8]).splitlines()
    assert rows[0] == '| model | parameters | a copy on each GPU | shares on 8 GPUs | checkpoint |'
    assert rows[2] == '| one | 1074M | 22.0 | 5.0 | 12.0 |'


@pytest.mark.parametrize('arch, parameters', [('huge', '664M'), ('giant', '3010M')])
def test_tool(capsys, arch, parameters):
    channels = dict(huge=2816, giant=4096)[arch]
    config = REPO / 'configs' / 'pretrain' / 'simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-500k_in1k-192px.py'
    main([str(config), '--gpus', '4', '--cfg-options', f'model.backbone.arch={arch}',
          f'model.neck.in_channels={channels}'])
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith(f'| {config.stem} | {parameters} |') and row.count('|') == 6


def test_mistake():
    with pytest.raises(SystemExit, match='no module of the classes NoBlock'):
        main([str(CONFIG), '--cfg-options', 'strategy.units=[NoBlock]'])
