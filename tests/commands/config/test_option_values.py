"""Values on the command line."""

import argparse
from pathlib import Path

import pytest
from mmengine.config import DictAction

from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.commands.config.option_values import parse_value
from mmsimmim.commands.config.options import OptionsAction


@pytest.mark.parametrize('text, value', [
    ('[traffic light,car]', ['traffic light', 'car']),
    ('traffic light,car', ['traffic light', 'car']),
    ('[traffic light, fire hydrant ]', ['traffic light', 'fire hydrant']),
    ('["traffic light", \'car\']', ['traffic light', 'car']),
    ('"[traffic light,car]"', ['traffic light', 'car']),
    ("'traffic light'", 'traffic light'),
    ('(traffic light,)', ('traffic light', )),
    ('[[stop sign,[a  b]],(c d,1)]', [['stop sign', ['a  b']], ('c d', 1)]),
    ('/data/my images', '/data/my images'),
    ('[/data/my images/a,b]', ['/data/my images/a', 'b']),
    ('["truck, heavy",car]', ['truck, heavy', 'car']),
    ('"truck, heavy",car', ['truck, heavy', 'car']),
    ('["a) b","[c"]', ['a) b', '[c']),
    ("[driver's cab,ship's hull]", ["driver's cab", "ship's hull"]),
    ('[light (red),light (green, left)]', ['light (red)', 'light (green, left)']),
    ('[1,2],[3,4]', [[1, 2], [3, 4]]),
    ('(1,2),(3,4)', [(1, 2), (3, 4)]),
    ('None', None), ('[None,true,False,1e-3]', [None, True, False, 1e-3]),
])
def test_blanks_and_quotes(text, value):
    found = parse_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize('text', [
    '1', '-2.5e-3', 'true', 'None', 'word', '', '[]', '()', '[a]', '(1,)', 'a,b', 'a,', '[,a]', '[a,]', '1,2.5,x',
    '[(1,2),[a,b],c]', '(480,[1,2])', '[1, 2, 3]', "['a','b']", '"a,b"', '"[a,b]"', '[1', 'a(b', 'work_dirs/a/b.pth',
    'https://host/a?b=(1)', 'a=b', '[[480,1333],[800,1333]]', '"1"', '["1","2"]', 'nan'])
def test_the_rest_is_read_as_by_mmengine(text):
    found, theirs = parse_value(text), DictAction._parse_iterable(text)
    assert repr(found) == repr(theirs)


@pytest.mark.parametrize('text', [
    '[a,b', 'a],b', '[a,(b]', '[(a,b]', '[a(b,c]', '((1,2)', '[a]]', 'dict(a=1,b=2)', '[dict(type=A,b=2)]'])
def test_what_is_no_value(text):
    with pytest.raises(ValueError, match='missing|no bracket|no value'):
        parse_value(text)


def options(*arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    return parser.parse_args(['--cfg-options', *arguments]).cfg_options


def test_names_with_blanks_reach_the_data_set_and_the_head():
    path = next((Path(__file__).parents[3] / 'configs' / 'det').glob('atss*custom*.py'))
    cfg, _ = read_with_options(str(path), options('classes=[traffic light,car]', 'data_root=/data/my images'))
    dataset = cfg.train_dataloader.dataset
    assert list(dataset.metainfo.classes) == ['traffic light', 'car'] and cfg.model.bbox_head.num_classes == 2
    assert dataset.ann_file == '/data/my images/instances_train.json'


def test_options(capsys):
    assert options('a.b=1', 'c=x=y', '--cfg-options', 'classes=[traffic light,car]', 'a.b=2') == {
        'a.b': 2, 'c': 'x=y', 'classes': ['traffic light', 'car']}
    for wrong, told in [(['classes=[traffic', 'light,car]'], r"'light,car]' is not of the form key=value"),
                        (['a=1', 'b=[1,(2]'], 'cannot read b=[1,(2]: values are numbers')]:
        if wrong[0].startswith('classes'):
            wrong = wrong[1:]
        with pytest.raises(SystemExit):
            options(*wrong)
        assert told in capsys.readouterr().err
