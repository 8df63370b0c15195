"""Several processes."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed
from mmengine.config import Config

from mmsimmim.commands.common import distributed, runner
from mmsimmim.commands.common.distributed import (
    carry_unused_parameters,
    connect_on_cpu,
    ending_connection,
    get_world_size,
)
from mmsimmim.errors import UserError

REPO = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_two_processes_with_half_the_batch_give_the_gradient_of_the_whole(tmp_path):
    subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m',
         'tests.commands.common.half_batches', str(tmp_path / 'gradients.pth')],
        cwd=REPO, check=True, timeout=300, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    found = torch.load(tmp_path / 'gradients.pth', weights_only=True)
    assert found['whole'].keys() == found['halves'].keys() and len(found['whole']) > 20
    for name, whole in found['whole'].items():
        # The paper's loss adds 1e-5 to the count of masked pixels, which weighs twice as much on half of them.
        torch.testing.assert_close(found['halves'][name], whole, rtol=1e-7, atol=1e-9 * whole.abs().max(), msg=name)
    # The halves do differ, or the comparison would show nothing.
    assert any(not torch.allclose(found['mine'][name], whole, rtol=1e-3) for name, whole in found['whole'].items())


@pytest.mark.parametrize('launcher, variable', [('pytorch', 'WORLD_SIZE'), ('slurm', 'SLURM_NTASKS')])
def test_world_size(monkeypatch, launcher, variable):
    assert get_world_size('none') == 1
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UserError, match=f'--launcher {launcher} needs.*{variable}.*Start with'):
        get_world_size(launcher)
    monkeypatch.setenv(variable, '16')
    assert get_world_size(launcher) == 16


@pytest.mark.parametrize('environment', [dict(env_cfg=dict(dist_cfg=dict(backend='nccl'))), {}])
def test_on_cpus_the_processes_talk_through_gloo(monkeypatch, environment):
    monkeypatch.setattr(distributed, 'get_device', lambda: 'cpu')
    connected = []
    monkeypatch.setattr(torch.distributed, 'init_process_group', connected.append)
    cfg = Config(dict(launcher='pytorch', find_unused_parameters=True, **environment))
    connect_on_cpu(cfg)
    assert connected == ['gloo'] and cfg.env_cfg.dist_cfg.backend == 'gloo'
    assert cfg.model_wrapper_cfg.device_ids is None and cfg.model_wrapper_cfg.find_unused_parameters
    with pytest.raises(UserError, match='slurm needs GPUs'):
        connect_on_cpu(Config(dict(launcher='slurm')))


def wrapper(**kwargs):
    return dict(type='MMDistributedDataParallel', gradient_as_bucket_view=True, **kwargs)


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_unused_parameters_reach_the_wrapper(monkeypatch, device):
    """MMEngine ignores the config's own switch where there is model_wrapper_cfg."""
    monkeypatch.setattr(distributed, 'get_device', lambda: device)
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda backend: None)
    monkeypatch.setattr(runner.Runner, 'from_cfg', lambda cfg: cfg.model_wrapper_cfg)
    for wanted in (True, False):
        cfg = Config(dict(launcher='pytorch', find_unused_parameters=wanted, model_wrapper_cfg=wrapper()))
        connect_on_cpu(cfg)
        built = runner.build_runner(cfg)
        assert built.find_unused_parameters is wanted and built.gradient_as_bucket_view


@pytest.mark.parametrize('settings', [
    dict(model_wrapper_cfg=wrapper()), dict(model_wrapper_cfg=wrapper(find_unused_parameters=True)),
    dict(find_unused_parameters=True), dict(find_unused_parameters=True, model_wrapper_cfg=None),
    dict(find_unused_parameters=True, model_wrapper_cfg=dict(type='MMFullyShardedDataParallel'))])
def test_otherwise_the_wrapper_stays_as_it_is(settings):
    cfg = Config(settings)
    before = cfg.pretty_text
    carry_unused_parameters(cfg)
    assert cfg.pretty_text == before


def test_contradiction_about_unused_parameters():
    cfg = Config(dict(find_unused_parameters=True, model_wrapper_cfg=wrapper(find_unused_parameters=False)))
    with pytest.raises(UserError, match='find_unused_parameters=True.*contradicts.*False'):
        carry_unused_parameters(cfg)


def test_a_connection_ends_though_a_model_that_works_through_it_is_held_by_a_cycle(left_connections):

    @ending_connection()
    def run():
        torch.distributed.init_process_group('gloo')
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
        model(torch.ones(2, 2)).sum().backward()
        model.itself = [model]

    run()
    assert not torch.distributed.is_initialized() and not left_connections()


def test_a_connection_that_was_there_before_stays(left_connections):
    torch.distributed.init_process_group('gloo')
    ending_connection()(torch.distributed.barrier)()
    assert torch.distributed.is_initialized() and left_connections(seconds=0)


def test_with_gpus_it_is_left_to_mmengine(monkeypatch):
    monkeypatch.setattr(distributed, 'get_device', lambda: 'cuda')
    cfg = Config(dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(backend='nccl'))))
    before = cfg.pretty_text
    connect_on_cpu(cfg)
    assert cfg.pretty_text == before


def test_norms_over_all_gpus_become_ordinary_ones_on_cpus(monkeypatch):
    monkeypatch.setattr(distributed, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(torch.distributed, 'init_process_group', lambda backend: None)
    model = dict(neck=dict(norm_cfg=dict(type='SyncBN', requires_grad=True)),
                 heads=[dict(norm_cfg=dict(type='mmcv.SyncBN')), dict(norm_cfg=dict(type='GN'))])
    cfg = Config(dict(launcher='pytorch', model=copy.deepcopy(model)))
    connect_on_cpu(cfg)
    assert cfg.model.neck.norm_cfg == dict(type='BN', requires_grad=True)
    assert [head.norm_cfg.type for head in cfg.model.heads] == ['BN', 'GN']
    cfg = Config(dict(launcher='none', model=model))
    connect_on_cpu(cfg)
    assert cfg.model.neck.norm_cfg.type == 'SyncBN'
