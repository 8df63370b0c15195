"""Training with sharded parameters: two processes without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.utils import digit_version

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.engine.fsdp import gather, local_shard, shard, with_shards_of, without_weights
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS

REPO = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_name('fsdp_config.py')


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Folder with the runs of fsdp_runs.py."""
    out = tmp_path_factory.mktemp('fsdp')
    (out / 'images').mkdir()
    for seed in range(26):
        coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(out / 'images' / f'{seed}.png'), cv2.resize(coarse, (64, 48)))
    process = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m',
         'tests.engine.fsdp_runs', str(out), str(out / 'images')],
        cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'})
    assert process.returncode == 0, process.stdout
    return out


def checkpoint(runs, name, epoch=2):
    return torch.load(runs / name / f'epoch_{epoch}.pth', weights_only=True)


def scalars(runs, name, key):
    lines = [json.loads(line) for path in sorted((runs / name).glob('*/vis_data/scalars.json'))
             for line in path.read_text().splitlines()]
    return [line[key] for line in lines if key in line]


def assert_close(found, expected, rtol):
    assert found['state_dict'].keys() == expected['state_dict'].keys()
    for name, value in expected['state_dict'].items():
        torch.testing.assert_close(found['state_dict'][name], value, rtol=rtol, atol=rtol * value.abs().max().item(),
                                   msg=name)
    states = found['optimizer']['state'], expected['optimizer']['state']
    assert states[0].keys() == states[1].keys()
    assert all(states[0][number]['step'] == state['step'] for number, state in states[1].items())
    for moment in ('exp_avg', 'exp_avg_sq'):
        # Gradients of some biases are rounding alone, of what is much larger.
        largest = max(state[moment].abs().max().item() for state in states[1].values())
        for number, state in states[1].items():
            torch.testing.assert_close(
                states[0][number][moment], state[moment], rtol=rtol, msg=f'{number}.{moment}',
                atol=rtol * max(state[moment].abs().max().item(), 0.1 * largest))


def assert_equal(found, expected):
    assert_close(found, expected, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.9.0'), reason='FSDPStrategy needs PyTorch 2.9')
class TestTwoProcesses:

    def test_all_runs_end(self, runs):
        messages = json.loads((runs / 'messages.json').read_text())
        assert {name: text for name, text in messages.items() if text} == {
            name: messages[name] for name in ('other architecture', 'no such unit')}
        assert 'not one of the model in the config' in messages['other architecture']
        assert 'strategy.units: SimMIM has no module of the classes SwinBlock5' in messages['no such unit']

    def test_each_process_holds_a_share(self, runs):
        count = sum(tensor.numel() for tensor in checkpoint(runs, 'sharded')['state_dict'].values())
        for name, share in (('sharded', 0.5), ('whole', 1)):
            held = [json.loads((runs / name / f'shard_{rank}.json').read_text()) for rank in range(2)]
            for kind in ('parameters', 'moments'):
                assert sum(process[kind] for process in held) == 2 * share * count
                assert held[0][kind] == pytest.approx(share * count, rel=0.05)

    def test_weights_and_moments_are_those_of_ordinary_data_parallelism(self, runs):
        assert_close(checkpoint(runs, 'sharded'), checkpoint(runs, 'whole'), rtol=1e-5)

    def test_rates_and_weight_decay_of_every_parameter(self, runs):
        groups = [checkpoint(runs, name)['optimizer']['param_groups'] for name in ('sharded', 'whole')]
        assert [{**group, 'fused': False} for group in groups[0]] == groups[1]
        assert {group['weight_decay'] for group in groups[0]} == {0, 2.0}

    def test_the_optimizer_is_fused_as_the_config_says_whatever_it_resumes(self, runs):
        for name, fused in (('sharded', True), ('resumed_whole', True), ('whole', False), ('resumed_sharded', False)):
            assert {group['fused'] for group in checkpoint(runs, name)['optimizer']['param_groups']} == {fused}, name

    def test_gradients_are_clipped_by_the_norm_of_all_shards(self, runs):
        norms = scalars(runs, 'whole', 'grad_norm')
        assert len(norms) == 6 and min(norms) > 0.02
        assert scalars(runs, 'sharded', 'grad_norm') == pytest.approx(norms, rel=1e-5)

    def test_held_out_loss(self, runs):
        losses = scalars(runs, 'whole', 'reconstruction/masked_loss')
        assert len(losses) == 1
        assert scalars(runs, 'sharded', 'reconstruction/masked_loss') == pytest.approx(losses, rel=1e-5)
        metrics = json.loads((runs / 'metrics.json').read_text())
        assert metrics['reconstruction/masked_loss'] == pytest.approx(losses[0], rel=1e-5)

    def test_resuming_changes_no_bit(self, runs):
        assert_equal(checkpoint(runs, 'resumed'), checkpoint(runs, 'sharded'))

    def test_a_frozen_target_and_a_loss_in_parts_change_nothing(self, runs):
        assert_close(checkpoint(runs, 'tokens'), checkpoint(runs, 'whole_tokens'), rtol=1e-5)
        assert_equal(checkpoint(runs, 'resumed_tokens'), checkpoint(runs, 'tokens'))

    def test_a_checkpoint_of_an_ordinary_run_is_resumed(self, runs):
        assert_close(checkpoint(runs, 'resumed_whole'), checkpoint(runs, 'whole'), rtol=1e-5)

    def test_an_ordinary_run_resumes_a_sharded_checkpoint(self, runs):
        assert_close(checkpoint(runs, 'resumed_sharded'), checkpoint(runs, 'whole'), rtol=1e-5)

    def test_an_official_file_is_loaded(self, runs):
        found, expected = checkpoint(runs, 'loaded', 1)['state_dict'], checkpoint(runs, 'whole')['state_dict']
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())

    def test_bfloat16_and_accumulated_gradients(self, runs):
        assert_close(checkpoint(runs, 'bf16', 1), checkpoint(runs, 'whole_bf16', 1), rtol=1e-4)

    @pytest.mark.parametrize('name, plain, what', [
        ('compiled', 'sharded', '4 blocks one by one'),
        ('whole_compiled', 'whole', 'backbone, neck and loss, as one graph')])
    def test_compiled_training(self, runs, name, plain, what):
        log = next((runs / name).glob('*/*.log')).read_text()
        assert f'Compiling {what}' in log
        assert 'Compiled' in log
        assert_close(checkpoint(runs, name, 1), checkpoint(runs, plain, 1), rtol=1e-5)

    def test_pictures_are_drawn(self, runs):
        for name, step in (('sharded', 2), ('pictures', 1)):
            assert list((runs / name).glob(f'*/vis_data/vis_image/reconstruction_{step}.png'))

    def test_checkpoint_is_an_ordinary_one(self, runs):
        """A backbone that is not sharded takes it, as it is and exported, and it goes into a model of one process."""
        config = Config.fromfile(CONFIG).model
        weights = checkpoint(runs, 'sharded')['state_dict']
        model = MODELS.build(config)
        assert model.load_state_dict(weights).missing_keys == []
        image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        expected = model.eval().extract_feat(image)[-1]
        exported = MODELS.build(config.backbone).eval()
        exported.load_state_dict(convert_state_dict(weights, to='backbone'), strict=True)
        assert torch.equal(exported(image)[-1], expected)
        pretrained = MODELS.build(dict(config.backbone, init_cfg=dict(
            type='Pretrained', checkpoint=str(runs / 'sharded' / 'epoch_2.pth'), prefix='backbone.')))
        pretrained.init_weights()
        assert torch.equal(pretrained.eval()(image)[-1], expected)


def test_copy_without_weights():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    model[0].bias.requires_grad_(False)
    empty = without_weights(model)
    assert {tensor.device.type for tensor in empty.state_dict().values()} == {'meta'}
    assert [parameter.requires_grad for parameter in empty.parameters()] == [True, False, True, True]
    assert {tensor.device.type for tensor in model.state_dict().values()} == {'cpu'}


def test_what_is_not_cut_is_left_as_it_is():
    state = dict(step=torch.tensor(3.), groups=[dict(lr=0.1, betas=(0.9, 0.999))])
    assert gather(state) == state
    assert gather(state, keep=False) == dict(step=None, groups=[dict(lr=0.1, betas=(0.9, 0.999))])
    assert local_shard(state['step'], torch.zeros(5)) is state['step']


def test_a_state_dict_keeps_the_versions_of_its_modules():
    state = torch.nn.BatchNorm1d(3).state_dict()
    assert gather(state)._metadata == state._metadata and type(gather(state)) is type(state)


def test_copy_of_shards_is_a_copy_in_the_same_order():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    model[0].bias.requires_grad_(False)
    copied = with_shards_of(model, without_weights(model))
    for kind in ('named_parameters', 'named_buffers'):
        pairs = list(zip(getattr(copied, kind)(), getattr(model, kind)(), strict=True))
        assert pairs and all(one[0] == other[0] and torch.equal(one[1], other[1]) for one, other in pairs)
        assert all(one[1].requires_grad == other[1].requires_grad and one[1] is not other[1] for one, other in pairs)


def test_single_numbers_cannot_be_sharded():
    class Scaled(torch.nn.Linear):
        pass

    model = Scaled(2, 2)
    model.scale = torch.nn.Parameter(torch.tensor(1.))
    with pytest.raises(UserError, match=r'1 parameters of Scaled are single numbers .*\(scale\)'):
        shard(model, ('Scaled', ), 2)
