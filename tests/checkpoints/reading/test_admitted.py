"""What a file may name, and what it may not although PyTorch's own reader admits it."""

import pytest
import torch
from mmengine.config import ConfigDict

from mmsimmim.checkpoints import read_checkpoint
from mmsimmim.errors import UserError

from .crafted import Call, save, view


class WithState(Call):
    """A call whose result is then given a state."""

    def __init__(self, state, function, *args):
        super().__init__(function, *args)
        self.state = state

    def __reduce__(self):
        return *super().__reduce__(), self.state


REFUSED = {
    'sparse': lambda: torch.eye(4).to_sparse(),
    'indices beyond the shape': lambda: Call(torch._utils._rebuild_sparse_tensor, torch.sparse_coo, (
        torch.full((1, 2), 1 << 40), torch.ones(2), (4, ), True)),
    'compressed rows': lambda: torch.eye(4).to_sparse_csr(),
    'quantised': lambda: torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
    'without values': lambda: torch.ones(4, device='meta'),
    'conjugated': lambda: torch.ones(4, dtype=torch.complex64).conj(),
}


@pytest.mark.parametrize('kind', REFUSED)
@pytest.mark.filterwarnings('ignore')
def test_tensors_whose_parts_nothing_checks(tmp_path, kind):
    with pytest.raises(UserError, match='x.pth '):
        read_checkpoint(save(tmp_path / 'x.pth', REFUSED[kind]()))


def test_methods_are_not_replaced(tmp_path):
    """An OrderedDict takes any attribute, and PyTorch's reader sets it."""
    state = {'_metadata': {'': {'version': 2}}, 'items': 1, 'keys': 2}
    from collections import OrderedDict
    torch.save({'state_dict': WithState(state, OrderedDict, [['weight', view(0, (4, ), (1, ))]])}, tmp_path / 'x.pth')
    weights = read_checkpoint(str(tmp_path / 'x.pth'))['state_dict']
    assert vars(weights) == {'_metadata': {'': {'version': 2}}} and list(weights.items())[0][0] == 'weight'


def test_a_parameter_keeps_its_data(tmp_path):
    made = Call(torch._utils._rebuild_parameter_with_state, torch.ones(4), False, {}, {'data': torch.zeros(9), 'x': 1})
    weight = read_checkpoint(save(tmp_path / 'x.pth', made))['state_dict']['weight']
    assert torch.equal(weight, torch.ones(4)) and not hasattr(weight, 'x')


@pytest.mark.parametrize('call', [
    Call(set, (1, 2)), Call(bytearray, 1 << 40), Call(complex, '1'), Call(ConfigDict, 3),
    Call(torch.Size, (1 << 62, ))])
def test_arguments_that_are_never_written(tmp_path, call):
    with pytest.raises(UserError, match='x.pth '):
        read_checkpoint(save(tmp_path / 'x.pth', call))
