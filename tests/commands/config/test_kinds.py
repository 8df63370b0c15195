"""Options that cannot stand where they are put."""

import pytest
from mmengine.config import Config

from mmsimmim.commands.config.kinds import check_kinds
from mmsimmim.errors import UserError

CONFIG = Config(dict(
    model=dict(bins=7, keep=True, rates=[0.1, 0.2], name='a', parts=[dict(size=1)], nothing=None, loss_scale=1.0,
               neck=dict(add_extra_convs=False))))


@pytest.mark.parametrize('key, value, said', [
    ('model.keep', 'maybe', 'the config has True here. Give True or False.'),
    ('model.keep', 3, 'the config has True here. Give True or False.'),
    ('model.bins', 'abc', 'the config has 7 here. Give a number.'),
    ('model.bins', True, 'the config has 7 here. Give a number.'),
    ('model.bins', [1, 'abc'], 'the config has 7 here. Give a number.'),
    ('model.rates', 'abc', 'the config has [0.1, 0.2] here. Give numbers.'),
    ('model.rates.0', 0.3, 'Give the whole list: model.rates=[0.1,0.2].'),
    ('model.parts.0', 5, 'Set its keys: model.parts.0.KEY=VALUE.'),
    ('model.bins.oops', 1, 'model.bins=7 has no parts.'),
    ('model.nothing.oops', 1, 'model.nothing._delete_=True'),
])
def test_is_refused(key, value, said):
    with pytest.raises(UserError) as caught:
        check_kinds(CONFIG, {key: value})
    assert f'{key}={value}: ' in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize('options', [
    {'model.keep': False}, {'model.keep': None}, {'model.bins': 0.5}, {'model.bins': [1, 2]}, {'model.bins': None},
    {'model.rates': 0.1}, {'model.name': 5}, {'model.parts.0.size': 2}, {'model.parts': []}, {'model.new': 'abc'},
    {'model.loss_scale': 'dynamic'}, {'model.neck.add_extra_convs': 'on_input'},
    {'model.nothing._delete_': True, 'model.nothing.oops': 1},
], ids=str)
def test_is_left_alone(options):
    check_kinds(CONFIG, options)
