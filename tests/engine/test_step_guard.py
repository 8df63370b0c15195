"""Bad steps change nothing; good ones are those of an optimizer without a guard, bit for bit."""

import copy
import os
import socket

import pytest
import torch
import torch.multiprocessing as mp
from mmengine.optim import OptimWrapper
from torch import nn

from mmsimmim.engine import step_guard
from mmsimmim.engine.finite import find_not_finite, total_norm
from mmsimmim.engine.step_guard import StepGuard
from tests.engine.steps import SyncError, WithoutSyncs

NAN, INF = float('nan'), float('inf')


def make(guarded=True, counts=1, clip=None, model=None, **optimizer):
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 1))
    kind = optimizer.pop('kind', torch.optim.AdamW)
    wrapper = OptimWrapper(kind(model.parameters(), lr=0.1, weight_decay=0.5, **optimizer),
                           accumulative_counts=counts, clip_grad=clip and dict(clip))
    return model, wrapper, StepGuard(wrapper, model) if guarded else None


def step(parts, number, factor=1., value=None):
    """One forward and backward pass; a NaN in the input, or a factor of the loss, makes it a bad one."""
    model, wrapper, guard = parts
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(number))
    if value is not None:
        inputs[2, 1] = value
    if guard:
        guard.begin(number, [f'batch {number}'])
    wrapper.update_params(model(inputs).square().mean() * factor)


def state(parts):
    model, wrapper, _ = parts
    return copy.deepcopy([model.state_dict(), wrapper.optimizer.state_dict()['state']])


def assert_equal(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        [assert_equal(ours[key], theirs[key]) for key in ours]
    elif isinstance(ours, list):
        [assert_equal(*pair) for pair in zip(ours, theirs, strict=True)]
    else:
        assert ours == theirs


SETTINGS = [dict(fused=True), dict(fused=True, clip=dict(max_norm=0.1)), dict(foreach=True, clip=dict(max_norm=0.1)),
            dict(fused=True, clip=dict(type='value', clip_value=0.1)), dict(kind=torch.optim.RMSprop, momentum=0.9)]


@pytest.mark.parametrize('bad', [dict(value=NAN), dict(value=INF), dict(factor=NAN), dict(factor=INF)])
@pytest.mark.parametrize('setting', SETTINGS)
def test_a_bad_step_changes_nothing(setting, bad):
    guarded, plain = make(**setting), make(guarded=False, **setting)
    for number in (1, 2):
        step(guarded, number), step(plain, number)
    before = state(guarded)
    step(guarded, 3, **bad)
    assert_equal(state(guarded), before)
    step(guarded, 4), step(plain, 4)
    assert_equal(state(guarded), state(plain))
    assert [record.read()[0] for record in guarded[2].due()] == [False, False, True, False]


@pytest.mark.parametrize('setting', SETTINGS)
def test_fused_optimizers_never_wait(setting):
    parts = make(**setting)
    if parts[1].clip_grad_kwargs:
        clip = parts[1].clip_func
        parts[1].clip_func = lambda *args, **kwargs: [clip(*args, **kwargs), None][1]  # as RuntimeInfoHook does
    step(parts, 1)
    try:
        with WithoutSyncs():
            step(parts, 2), step(parts, 3, value=NAN)
        waited = False
    except SyncError:
        waited = True
    assert waited != setting.get('fused', False)  # without it the flag has to be known


def test_without_a_guard_it_does():
    """So the test above can fail."""
    plain = make(guarded=False, fused=True)
    step(plain, 1), step(plain, 2, value=NAN)
    assert any(value.isnan().any() for value in plain[0].state_dict().values())


@pytest.mark.parametrize('setting', SETTINGS)
def test_one_bad_batch_of_several_spoils_their_update(setting):
    parts = make(counts=3, **setting)
    [step(parts, number) for number in (1, 2, 3)]
    before = state(parts)
    step(parts, 4), step(parts, 5, value=NAN), step(parts, 6)
    assert_equal(state(parts), before)
    step(parts, 7), step(parts, 8), step(parts, 9)
    records = parts[2].due()
    assert [record.read()[0] for record in records] == [False, True, False]
    assert records[1].iteration == 6 and records[1].samples == ['batch 4', 'batch 5', 'batch 6']


def test_a_norm_that_overflows_is_bad():
    parts = make(fused=True, clip=dict(max_norm=1.))
    step(parts, 1)
    before = state(parts)
    step(parts, 2, factor=1e30)  # its gradients are finite, the sum of their squares is not
    assert_equal(state(parts), before)
    assert parts[2].due()[1].read() == (True, pytest.approx(1e30, rel=10), INF)


def test_scaling_of_the_loss_keeps_its_meaning():
    """An overflow of gradients under fp16's dynamic scale is no bad step; a broken loss is."""
    parts = make(fused=True)
    scaler = torch.amp.GradScaler('cpu', init_scale=2.**100)
    parts[1].loss_scaler, parts[1]._scale_update_param = scaler, None
    scaler.scale(torch.ones(()))  # makes the scale
    before = state(parts)
    parts[0][0].weight.register_hook(lambda gradient: gradient * INF)
    step(parts, 1)
    assert_equal(state(parts)[0], before[0])
    scaler._scale.fill_(0.5)
    step(parts, 2)
    scaler._scale.fill_(2.)
    step(parts, 3, factor=NAN)
    assert [record.read()[0] for record in parts[2].due()] == [False, True, True]


def test_the_norm_is_pytorchs():
    parts = make()
    parts[0](torch.randn(6, 4)).sum().backward()
    expected = torch.nn.utils.clip_grad_norm_(parts[0].parameters(), INF)
    assert torch.equal(total_norm(parts[0].parameters()), expected)
    assert total_norm([torch.zeros(3)]) is None


def test_finds_each_kind_of_broken_value():
    good = torch.full((3, ), 3e38)
    tensors = [('good', good, False), ('nan', torch.tensor([1., NAN]), True), ('inf', torch.tensor([-INF]), False),
               ('mask', torch.tensor([-INF]), True), ('count', torch.tensor([1]), False), ('none', good[:0], False)]
    assert find_not_finite(tensors) == ['nan', 'inf']


def run_rank(rank, port, folder):
    os.environ.update(MASTER_ADDR='localhost', MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE='2')
    torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
    for sharded in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 1))
        if sharded:
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard
            fully_shard(model, mesh=init_device_mesh('cpu', (2, )))
        else:
            model = nn.parallel.DistributedDataParallel(model)
        parts = make(model=model, fused=True)
        step(parts, 1)
        before = [parameter.detach().clone() for parameter in model.parameters()]
        step(parts, 2, value=NAN if rank else None)  # in one process only
        kept = all(torch.equal(*[getattr(one, '_local_tensor', one) for one in pair])
                   for pair in zip(before, model.parameters()))
        step(parts, 3)
        bad = [record.read()[0] for record in parts[2].due()]
        finite = all(bool(torch.isfinite(getattr(one, '_local_tensor', one)).all()) for one in model.parameters())
        (folder / f'{rank}{int(sharded)}').write_text(f'{kept} {bad} {finite}')
    torch.distributed.destroy_process_group()


def test_all_processes_decide_alike(tmp_path):
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    mp.spawn(run_rank, (port, tmp_path), nprocs=2)
    found = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert found == dict.fromkeys(('00', '01', '10', '11'), 'True [False, True, False] True')


def test_flags_are_read_some_updates_later_where_that_saves_waiting(monkeypatch):
    parts = make(fused=True)
    monkeypatch.setattr(step_guard, 'DELAY', 2)
    monkeypatch.setattr(parts[2], '_parameters', [type('', (), dict(is_cuda=True, grad=None))()])
    counts = []
    for number in range(1, 5):
        step(parts, number)
        counts.append(len(parts[2].due()))
    assert counts == [0, 0, 1, 1] and len(parts[2].due(everything=True)) == 2
