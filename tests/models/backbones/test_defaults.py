"""The tables of docs/migrating.md tell the defaults of the encoders here and elsewhere."""

import ast
import inspect
import re
from pathlib import Path

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer

PAGE = (Path(__file__).parents[3] / 'docs' / 'migrating.md').read_text()


def defaults_in_table(heading):
    """Rows of the table with a heading whose cells are values: argument to values."""
    rows = PAGE.split(heading, 1)[1].split('\n\n', 1)[0].splitlines()
    cells = [[cell.strip() for cell in row.strip('|').split('|')] for row in rows]
    return {row[0].strip('`'): [ast.literal_eval(cell.strip('`')) for cell in row[1:]] for row in cells
            if re.fullmatch(r'`\w+`', row[0]) and all(re.fullmatch('`[^`]*`', cell) for cell in row[1:])}


def default_of(encoder, argument):
    return inspect.signature(encoder.__init__).parameters[argument].default


def test_swin():
    import mmdet.models.backbones as mmdet
    import mmpretrain.models as mmpretrain
    import mmseg.models.backbones as mmseg
    table = defaults_in_table('| argument | mmsimmim | mmpretrain | mmdet, mmsegmentation |')
    assert table.keys() == {'out_indices', 'drop_path_rate', 'frozen_stages'}
    for argument, values in table.items():
        for encoder in (SwinTransformer, SwinTransformerV2):
            assert default_of(encoder, argument) == values[0]
        for encoder in (mmpretrain.SwinTransformer, mmpretrain.SwinTransformerV2):
            assert default_of(encoder, argument) == values[1]
        for encoder in (mmdet.SwinTransformer, mmseg.SwinTransformer):
            assert default_of(encoder, argument) == values[2]


def test_vit_lists_every_default_that_differs_in_result():
    from mmpretrain.models import BEiTViT
    table = defaults_in_table('| argument | mmsimmim | `BEiTViT` |')
    differs = {name for name, parameter in inspect.signature(BEiTViT.__init__).parameters.items()
               if name not in ('self', 'norm_cfg', 'patch_cfg', 'layer_cfgs')
               and parameter.default != default_of(VisionTransformer, name)}
    assert table.keys() == differs | {'frozen_stages'}
    for argument, values in table.items():
        assert [default_of(VisionTransformer, argument), default_of(BEiTViT, argument)] == values
