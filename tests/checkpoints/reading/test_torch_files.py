"""What ``torch.load`` reads is read as it reads it: values, types, strides, and who shares memory with whom."""

import argparse
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from torch import nn

from mmsimmim.checkpoints.reading.torch_files import read_legacy, read_zip

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
          torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128]
# Without a class of storages, which the old format needs.
NEWER_DTYPES = [torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32, torch.uint64]


def averaged():
    from mmengine.model import ExponentialMovingAverage
    return ExponentialMovingAverage(nn.Linear(3, 2)).state_dict()


def trained(optimizer, **settings):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    groups = [dict(params=model[0].parameters(), lr_mult=2), dict(params=model[1].parameters())]
    optimizer = optimizer(groups, lr=1e-3, **settings)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def tied():
    weight = torch.arange(12.).reshape(3, 4)
    return {'one': weight, 'two': weight, 'part': weight[1:, 1:], 'turned': weight.T, 'parameter': nn.Parameter(weight)}


CONTENTS = {
    'types': lambda: {str(dtype): torch.tensor([0, 1, 3]).to(dtype) for dtype in DTYPES},
    'newer types': lambda: {str(dtype): torch.tensor([0, 1, 3]).to(dtype) for dtype in NEWER_DTYPES},
    'shapes': lambda: [torch.tensor(3.), torch.zeros(0), torch.zeros(2, 0, 3), torch.ones(1, 1, 1),
                       torch.arange(5)[3:]],
    'strides': lambda: [torch.arange(24.).reshape(2, 3, 4).permute(2, 0, 1), torch.arange(9.)[::2],
                        torch.ones(1, 3).expand(4, 3), torch.ones(1, 2, 3, 3).to(memory_format=torch.channels_last)],
    'tied': tied,
    'gradients': lambda: [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False),
                          torch.ones(2, requires_grad=True)],
    'state dict': lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm2d(3)).state_dict(),
    'average': averaged,
    'AdamW': lambda: trained(torch.optim.AdamW, amsgrad=True),
    'SGD': lambda: trained(torch.optim.SGD, momentum=0.9),
    'Adafactor': lambda: trained(torch.optim.Adafactor),
    'plain': lambda: dict(a=[1, -1, 2**40, -2**70, 1.5, float('inf'), None, True, 'ü', b'bytes', 'x' * 300],
                          b=(1, (2, ), ()), c={1: 2, (1, 'a'): 3, None: 4, 1.5: 5},
                          d={1, 2}, e=bytearray(b'ab'), f=1 + 2j),
    'torch': lambda: [torch.Size([1, 2]), torch.device('cuda:1'), torch.float16, torch.get_rng_state()],
    'collections': lambda: [OrderedDict(a=1), Counter('aab')],
    'again': lambda: [one := [1, 2], one, {'x': one}],
}
# What torch.load reads only of users who admit it; there with weights_only=False.
META = {
    'NumPy': lambda: dict(a=np.float64(0.5), b=np.int64(3), c=np.arange(6.).reshape(2, 3), d=np.bool_(True)),
    'config': lambda: ConfigDict(a=dict(b=[1, dict(c=2)]), d=None),
    'history': lambda: HistoryBuffer([1, 2], [1, 1]),
    'settings': lambda: argparse.Namespace(lr=0.5, a=argparse.Namespace(b=[1])),
}


def same(ours, theirs):
    # Arrays are of a subclass.
    assert isinstance(ours, type(theirs))
    if isinstance(theirs, torch.Tensor):
        assert (ours.dtype, ours.shape, ours.stride(), ours.storage_offset(), ours.requires_grad) == (
            theirs.dtype, theirs.shape, theirs.stride(), theirs.storage_offset(), theirs.requires_grad)
        assert ours.untyped_storage().tolist() == theirs.untyped_storage().tolist()
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs) and getattr(ours, '_metadata', None) == getattr(theirs, '_metadata', None)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs):
            same(*pair)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    elif isinstance(theirs, HistoryBuffer):
        assert all(np.array_equal(*pair) for pair in zip(ours.data, theirs.data))
        assert (ours.max_length, ours.mean()) == (theirs.max_length, theirs.mean())
    else:
        assert ours == theirs


def sharing(content):
    """Which tensors have one storage, in the order of the content."""
    if isinstance(content, torch.Tensor):
        return [content.untyped_storage().data_ptr()] if content.numel() else []
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, (list, tuple)) else ()
    return [place for one in inner for place in sharing(one)]


@pytest.mark.parametrize('way', ['read', 'mapped', 'legacy'])
@pytest.mark.parametrize('kind', [*CONTENTS, *META])
def test_as_torch_load(tmp_path, kind, way):
    if (kind, way) == ('newer types', 'legacy'):
        pytest.skip('PyTorch does not read them either')
    torch.manual_seed(0)
    content, path = {**CONTENTS, **META}[kind](), str(tmp_path / 'x.pth')
    torch.save(content, path, _use_new_zipfile_serialization=way != 'legacy')
    theirs = torch.load(path, map_location='cpu', weights_only=kind in CONTENTS)
    ours = read_legacy(path) if way == 'legacy' else read_zip(path, mmap=way == 'mapped')
    same(ours, theirs)
    ours, theirs = sharing(ours), sharing(theirs)
    assert [ours.index(one) for one in ours] == [theirs.index(one) for one in theirs]
