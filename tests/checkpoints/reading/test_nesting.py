"""Content that overflows the stack, or never ends, where it is copied or printed."""

import pytest
import torch
from mmengine.config import ConfigDict

from mmsimmim.checkpoints import read_checkpoint
from mmsimmim.errors import UserError

from .crafted import Call


def deep(depth):
    one = [1]
    for _ in range(depth):
        one = [one]
    return one


def itself(kind):
    one = kind()
    one.append(one) if kind is list else one.update(x=one)
    return one


def doubled(times):
    one = ['x']
    for _ in range(times):
        one = [one, one]
    return one


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('meta, reason', [
    (deep(250), 'more than 200 deep'), (itself(list), 'holds itself'), (itself(dict), 'holds itself'),
    (doubled(40), 'enormous'), (Call(ConfigDict, itself(dict)), 'holds itself')])
def test_refused(tmp_path, meta, reason, legacy):
    torch.save(dict(meta=meta, state_dict={'weight': torch.ones(2)}), tmp_path / 'x.pth',
               _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match=f'x.pth .*{reason}'):
        read_checkpoint(str(tmp_path / 'x.pth'))


@pytest.mark.parametrize('meta', [deep(150), doubled(10)])
def test_taken(tmp_path, meta):
    torch.save(dict(meta=meta, state_dict={'weight': torch.ones(2)}), tmp_path / 'x.pth')
    assert read_checkpoint(str(tmp_path / 'x.pth'))['meta'] == meta


def test_keys(tmp_path):
    key = ()
    for _ in range(50):
        key = (key, )
    torch.save({'state_dict': {'weight': torch.ones(2)}, key: 1}, tmp_path / 'x.pth')
    with pytest.raises(UserError, match='a key of the type tuple'):
        read_checkpoint(str(tmp_path / 'x.pth'))
