"""What is sent, on paper and in two processes, and the arithmetic of when it dominates."""

import os
import subprocess
import sys

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.utils import digit_version

from mmsimmim.analysis.scaling import CommunicationVolume, Load, first_at_fixed_batch, first_to_dominate, first_to_show
from mmsimmim.registry import HOOKS
from tests.commands.common.test_distributed import REPO
from tests.engine.gradient_communication import make_model, refusal

# 100 million parameters, 10 of which lie outside of the encoder; 128 images of 1 ms each on a GPU.
LOAD = Load(parameters=100_000_000, trained=100_000_000, outer=10_000_000, images=128, seconds=1e-3)
GIGABYTE = 1e9


def test_bytes_by_hand():
    """A ring of 4: sums go around 3 times a quarter, and so do the results; FSDP gathers twice and distributes once."""
    assert LOAD.communication('DDP').sent(4) == 2 * 3 * 400e6 / 4 == 600e6
    assert LOAD.communication('DDP, bf16').sent(4) == 300e6
    assert LOAD.communication('FSDP') == CommunicationVolume(400e6, 360e6 + 400e6)
    assert LOAD.communication('FSDP').sent(8) == 7 / 8 * 1160e6


def test_accumulated_passes_send_nothing_but_with_fsdp():
    twice = Load(100_000_000, 100_000_000, 10_000_000, 256, 1e-3, accumulated=2)
    assert twice.communication('DDP') == LOAD.communication('DDP')
    assert twice.communication('FSDP').total == 2 * LOAD.communication('FSDP').total


def test_what_does_not_learn_is_gathered_and_not_summed_up():
    frozen = Load(100_000_000, 60_000_000, 10_000_000, 128, 1e-3)
    assert frozen.communication('DDP').total == 480e6
    assert frozen.communication('FSDP').total == 400e6 + 360e6 + 240e6


def test_a_fixed_total_batch_by_hand():
    """800 MB at 10 GB/s: (n - 1) / n x 80 ms; 2048 images of 1 ms on n GPUs: 2048 / n ms. Equal at n = 26.6."""
    volume = LOAD.communication('DDP')
    assert first_to_dominate(volume, 1e-3, 2048, 10 * GIGABYTE) == 32
    for gpus, dominates in ((24, False), (32, True)):
        assert (volume.sent(gpus) / (10 * GIGABYTE) > 2048e-3 / gpus) == dominates
    assert first_to_dominate(volume, 1e-3, 2048, GIGABYTE) == 16  # no network below
    # 2048 images of 1 ms at 1000 GB/s: 0.8 ms of sending, above n = 2561, where there is no image for each
    assert first_to_dominate(volume, 1e-3, 2048, 1000 * GIGABYTE) is None


def test_a_fixed_batch_by_hand():
    """128 ms against at most 80 ms: never. Against 160 ms: (n - 1) / n > 0.8 from 6 on. Against 131 ms: from 44 on."""
    volume = LOAD.communication('DDP')
    assert first_at_fixed_batch(volume, 0.128, 10 * GIGABYTE) is None
    assert first_at_fixed_batch(volume, 0.128, 5 * GIGABYTE) == 16
    bandwidth = 800e6 / 0.131
    assert first_at_fixed_batch(volume, 0.128, bandwidth) == 48
    for gpus, dominates in ((40, False), (48, True)):
        assert (volume.sent(gpus) / bandwidth > 0.128) == dominates


def test_what_sending_overlaps_with():
    """Of 128 ms, 85.3 are the backward pass, or 96 with the forward pass in it again; FSDP sends in both passes."""
    recomputes = Load(100_000_000, 100_000_000, 10_000_000, 128, 1e-3, recomputes=True)
    bandwidth = 800e6 / 0.090
    assert first_to_show(LOAD, 'DDP', bandwidth) == 24  # 1 / (1 - 85.3 / 90) = 19.3
    assert first_to_show(recomputes, 'DDP', bandwidth) is None
    # forward 400 MB in 42.7 ms, backward 760 MB in 85.3 ms: the forward pass is the first to wait
    assert first_to_show(LOAD, 'FSDP', 400e6 / 0.043) == 136  # 1 / (1 - 42.67 / 43) = 129
    assert first_to_show(LOAD, 'FSDP', 400e6 / 0.042) is None


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """What the two processes of gradient_communication.py found."""
    out = tmp_path_factory.mktemp('volume') / 'found.pth'
    subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m',
                    'tests.engine.gradient_communication', str(out)], cwd=REPO, check=True, timeout=300,
                   env={**os.environ, 'OMP_NUM_THREADS': '1'})
    return torch.load(out, weights_only=True)


def load_of(model):
    parameters = sum(parameter.numel() for parameter in model.parameters())
    outer = parameters - sum(parameter.numel() for parameter in model.backbone.parameters())
    return Load(parameters, parameters, outer, 1, 1.)


@pytest.mark.slow
def test_bytes_of_data_parallelism_are_those_that_two_processes_sum_up(found):
    """In two processes a ring sends 2 (n - 1) / n = 1 times what is summed up; an accumulated pass sends nothing."""
    load = load_of(make_model())
    assert found['ddp'] == dict(all_reduce=load.communication('DDP').sent(2))
    assert found['ddp_half'] == dict(all_reduce=load.communication('DDP, bf16').sent(2))


@pytest.mark.slow
@pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.9.0'), reason='no fully_shard')
def test_bytes_of_shares_are_those_that_two_processes_gather_and_distribute(found):
    """Odd numbers of rows are filled up, which in this small model is a thousandth."""
    load = load_of(make_model(blocks=2))
    gathered, scattered = (found['sharded'][name] / 2 for name in ('all_gather_into_tensor', 'reduce_scatter_tensor'))
    assert gathered + scattered == pytest.approx(load.communication('FSDP').sent(2), rel=1e-3)
    assert gathered == pytest.approx(4 * (2 * load.parameters - load.outer) / 2, rel=1e-3)


@pytest.mark.slow
def test_compressed_gradients_are_the_sum_of_rounded_ones(found):
    different = 0
    for name, compressed in found['compressed'].items():
        one, other = (each[name] for each in found['each'])
        assert torch.equal(compressed, (one.bfloat16() / 2 + other.bfloat16() / 2).float()), name
        different += not torch.equal(compressed, found['exact'][name])
    assert different > 20


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['exact', 'views'])
def test_without_the_hook_nothing_is_rounded(found, kind):
    """Nor by gradients that are views of the buckets."""
    for name, gradient in found[kind].items():
        torch.testing.assert_close(gradient, (found['each'][0][name] + found['each'][1][name]) / 2, rtol=1e-6, atol=0)
        assert gradient.dtype == torch.float32


@pytest.mark.slow
def test_the_hook_refuses_other_wrappers(found):
    assert found['refusal'].startswith('CompressGradientsHook needs a model in DistributedDataParallel')
    assert 'this one is a Linear. Leave the hook out.' in found['refusal']


def test_the_hook_leaves_a_single_process_alone():
    init_default_scope('mmpretrain')
    assert HOOKS.build(dict(type='mmsimmim.CompressGradientsHook')) is not None
    assert refusal(torch.nn.Linear(2, 2)) is None
