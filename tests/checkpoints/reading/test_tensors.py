"""A tensor shows numbers of its file, and nothing of what else is in memory."""

import pytest
import torch

from mmsimmim.checkpoints import read_checkpoint
from mmsimmim.errors import UserError

from .crafted import Call, save, storage, view


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('offset, size, stride', [
    (0, (4, 4), (4, 1)), (4, (2, 3), (4, 1)), (0, (4, 4), (1, 4)), (15, (), ()), (16, (0, ), (1, )), (0, (5, ), (0, ))])
def test_views_within_a_storage(tmp_path, offset, size, stride, legacy):
    path = save(tmp_path / 'x.pth', view(offset, size, stride), legacy)
    weight = read_checkpoint(path)['state_dict']['weight']
    assert torch.equal(weight, torch.arange(16.).as_strided(size, stride, offset)) and weight.stride() == stride


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('offset, size, stride', [
    (0, (17, ), (1, )), (1, (16, ), (1, )), (0, (4, 4), (5, 1)), (0, (4, 4), (1 << 40, 1)), (1 << 62, (1, ), (1, )),
    (0, (1 << 62, ), (0, )), (0, (1 << 40, ), (0, )), (-1, (1, ), (1, )), (0, (-1, ), (1, )), (0, (2, ), (-1, )),
    (17, (0, ), (1, )), (0, (2, 2), (1, )), (0, (True, ), (1, ))])
def test_views_beyond_a_storage(tmp_path, offset, size, stride, legacy):
    path = save(tmp_path / 'x.pth', view(offset, size, stride), legacy)
    with pytest.raises(UserError, match='x.pth .*a tensor of'):
        read_checkpoint(path)


@pytest.mark.parametrize('weight', [
    Call(torch.Tensor, 1 << 10), Call(torch.nn.Parameter, 7), Call(torch.FloatTensor, 9)])
def test_memory_that_nobody_wrote(tmp_path, weight):
    """PyTorch's reader makes such tensors without a number in the file."""
    with pytest.raises(UserError, match='x.pth '):
        read_checkpoint(save(tmp_path / 'x.pth', weight))


@pytest.mark.parametrize('dtype', [torch.qint8, torch.quint8, torch.qint32])
def test_quantised_numbers_without_their_scale(tmp_path, dtype):
    weight = Call(torch._utils._rebuild_tensor_v3, storage(), 0, (4, ), (1, ), False, {}, dtype)
    with pytest.raises(UserError, match='x.pth .*quantised'):
        read_checkpoint(save(tmp_path / 'x.pth', weight))


def test_expanded_tensors_have_a_limit_together(tmp_path):
    """Each is within the limit."""
    several = [torch.zeros(1).expand(1 << 25) for _ in range(3)]
    assert read_checkpoint(save(tmp_path / 'x.pth', several[:1]))['state_dict']['weight'][0].shape == (1 << 25, )
    with pytest.raises(UserError, match='in a storage of 1 values'):
        read_checkpoint(save(tmp_path / 'x.pth', several))
