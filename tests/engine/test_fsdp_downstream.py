"""Classifiers, detectors and segmentors with sharded parameters: two processes without a GPU, against DDP and one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.utils import digit_version

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from tests.downstream.tiny_data import write_data
from tests.engine.test_fsdp import assert_close, assert_equal, checkpoint, scalars

REPO = Path(__file__).resolve().parents[2]
LAST = dict(detector=2, segmentor=2, classifier=4)
KINDS = pytest.mark.parametrize('kind', LAST)
DENSE = pytest.mark.parametrize('kind', ['detector', 'segmentor'])

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(digit_version(torch.__version__) < digit_version('2.9.0'), reason='FSDPStrategy needs 2.9')
]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Folder with the runs of fsdp_downstream_runs.py."""
    data, out = (tmp_path_factory.mktemp(name) for name in ('data', 'out'))
    write_data(data)
    remove_objects(data / 'instances.json', image=3)
    (data / 'classes.txt').write_text('\n'.join(f'images/{i}.png {i % 2}' for i in range(4)))
    process = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m',
         'tests.engine.fsdp_downstream_runs', str(out), str(data)],
        cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'})
    assert process.returncode == 0, process.stdout
    return out


def remove_objects(path, image):
    content = json.loads(path.read_text())
    content['annotations'] = [one for one in content['annotations'] if one['image_id'] != image]
    path.write_text(json.dumps(content))


@pytest.fixture(scope='module')
def processes(runs):
    """What each process found."""
    return [torch.load(runs / f'process_{rank}.pth', weights_only=True) for rank in range(2)]


@pytest.fixture
def last(runs):
    """A function that reads the last checkpoint of a run."""
    return lambda name: checkpoint(runs, name, LAST[name.split('_')[0]])


def test_all_runs_end(processes):
    assert not [f'{name}: {text}' for process in processes for name, text in process['messages'].items() if text]


class TestTraining:

    @KINDS
    def test_weights_moments_and_running_statistics_are_those_of_ddp(self, last, kind):
        found, expected = last(f'{kind}_sharded'), last(f'{kind}_ddp')
        assert_close(found, expected, rtol=1e-5)
        assert any(name.endswith('running_var') for name in found['state_dict']) == (kind == 'segmentor')

    @KINDS
    def test_losses_and_clipped_norms_are_those_of_ddp(self, runs, kind):
        for key in ('loss', 'grad_norm'):
            expected = scalars(runs, f'{kind}_ddp', key)
            assert len(expected) > 2 and len(set(expected)) > 1
            assert scalars(runs, f'{kind}_sharded', key) == pytest.approx(expected, rel=1e-5)
        assert min(expected) > 0.1  # clipped

    @DENSE
    def test_weights_and_moments_are_those_of_one_process(self, last, kind):
        """Without the statistics of norms, which one process updates twice, and averages, likewise."""
        found, expected = last(f'{kind}_sharded'), last(f'{kind}_alone')
        for one in (found, expected):
            one['state_dict'] = {name: value for name, value in trained_weights(one).items()
                                 if not name.rpartition('.')[2].startswith(('running_', 'num_batches'))}
        assert_close(found, expected, rtol=1e-5)

    @DENSE
    def test_losses_and_norms_are_those_of_one_process(self, runs, kind):
        losses = scalars(runs, f'{kind}_alone', 'loss')
        assert len(losses) == 8 and scalars(runs, f'{kind}_sharded', 'loss') == pytest.approx(losses[::2], rel=1e-5)
        # One process logs a norm from the second of its steps on, each twice.
        norms = scalars(runs, f'{kind}_alone', 'grad_norm')[::2]
        assert scalars(runs, f'{kind}_sharded', 'grad_norm') == pytest.approx(norms, rel=1e-5)

    @KINDS
    def test_rates_and_weight_decay_of_every_parameter(self, last, kind):
        groups = last(f'{kind}_sharded')['optimizer']['param_groups']
        assert groups == last(f'{kind}_ddp')['optimizer']['param_groups']
        assert len({group['initial_lr'] for group in groups}) > 1
        assert {group['weight_decay'] for group in groups} == {0, 2.0}

    @KINDS
    def test_each_process_holds_a_share(self, runs, last, kind):
        held = [json.loads((runs / f'{kind}_sharded' / f'shard_{rank}.json').read_text()) for rank in range(2)]
        count = sum(state['exp_avg'].numel() for state in last(f'{kind}_sharded')['optimizer']['state'].values())
        assert sum(process['moments'] for process in held) == count
        assert held[0]['moments'] == pytest.approx(count / 2, rel=0.05)

    def test_frozen_parts_have_no_moments(self, last):
        both = last('detector_sharded')
        assert len(both['optimizer']['state']) < len(both['state_dict']) - 4

    @DENSE
    def test_resuming_what_ddp_or_shards_have_written(self, last, kind):
        resumed = last(f'{kind}_resumed')
        if kind == 'segmentor':
            assert_equal(resumed, last('segmentor_sharded'))
            assert_equal_averages(resumed, last('segmentor_sharded'))
        else:
            assert_close(resumed, last('detector_ddp'), rtol=1e-5)

    def test_ddp_resumes_what_shards_have_written(self, last):
        assert_close(last('segmentor_ddp_resumed'), last('segmentor_ddp'), rtol=1e-5)


class TestAverages:

    def test_they_are_those_of_mmengine(self, last):
        found, expected = last('segmentor_sharded'), last('segmentor_ddp')
        assert_equal_averages(found, expected, rtol=1e-5)
        assert found['ema_state_dict']['steps'] == 4
        name = 'decode_head.conv_seg.weight'
        assert not torch.equal(found['state_dict'][name], found['ema_state_dict'][f'module.{name}'])

    def test_the_hook_took_the_place_of_mmengines(self, runs):
        for name, own in (('sharded', True), ('ddp', False)):
            log = next((runs / f'segmentor_{name}').glob('*/*.log')).read_text()
            assert ('mmsimmim.EMAHook takes the place of EMAHook' in log) == own

    def test_the_best_checkpoint_holds_what_was_evaluated(self, runs):
        found, expected = (torch.load(next((runs / f'segmentor_{name}').glob('best_mIoU_*.pth')), weights_only=True)
                           for name in ('sharded', 'ddp'))
        assert 'optimizer' not in found
        for one in (found, expected, checkpoint(runs, 'segmentor_sharded', 1), checkpoint(runs, 'segmentor_ddp', 1)):
            assert (one['meta']['epoch'], one['meta']['iter']) == (1, 2)
        assert_equal_averages(found, expected, rtol=1e-5)


def trained_weights(found):
    """The weights in training, which are elsewhere if there are averages."""
    averages = found.get('ema_state_dict')
    return {name: averages[f'module.{name}'] for name in found['state_dict']} if averages else found['state_dict']


def assert_equal_averages(found, expected, rtol=0):
    for key in ('state_dict', 'ema_state_dict'):
        assert found[key].keys() == expected[key].keys()
        for name, value in expected[key].items():
            torch.testing.assert_close(found[key][name], value, rtol=rtol, atol=rtol * float(value.abs().max()))


class TestEvaluation:
    """Of three images one process has two, and each has its own number of passes."""

    @pytest.mark.parametrize('kind, metrics', [
        ('detector', ['coco/bbox_mAP', 'coco/segm_mAP']), ('segmentor', ['mIoU', 'aAcc']),
        ('classifier', ['accuracy/top1'])])
    def test_metrics_in_training(self, runs, kind, metrics):
        for key in metrics:
            assert len(scalars(runs, f'{kind}_ddp', key)) == 2
            assert scalars(runs, f'{kind}_sharded', key) == scalars(runs, f'{kind}_ddp', key)

    @pytest.mark.parametrize('part, value', [('bbox', 'bbox'), ('segm', 'score')])
    def test_predictions_of_a_detector(self, runs, part, value):
        found, expected = (json.loads((runs / f'detector_{name}' / f'predictions.{part}.json').read_text())
                           for name in ('test', 'test_ddp'))
        assert {one['image_id'] for one in expected} == {0, 1, 2} and len(found) == len(expected) == 15
        for one, other in zip(found, expected):
            assert (one['image_id'], one['category_id']) == (other['image_id'], other['category_id'])
            assert one[value] == pytest.approx(other[value], rel=1e-4, abs=1e-3)

    def test_predictions_of_a_segmentor_with_augmentation_at_test_time(self, runs):
        for name in ('0.png', '1.png', '2.png'):
            found, expected = (cv2.imread(str(runs / f'segmentor_{run}' / name), cv2.IMREAD_UNCHANGED)
                               for run in ('test', 'test_ddp'))
            assert len(np.unique(expected)) > 1
            assert np.array_equal(found, expected)

    @DENSE
    def test_metrics_of_a_test(self, runs, kind):
        found, expected = (json.loads((runs / f'{kind}_{name}.json').read_text()) for name in ('test', 'test_ddp'))
        assert found == pytest.approx(expected, rel=1e-4) and expected

    def test_a_model_in_evaluation_is_whole(self, processes):
        for process in processes:
            assert process['parts']['modes'] == [['DTensor'], ['Parameter'], ['Parameter'], ['DTensor']]

    def test_it_cannot_be_copied(self, processes):
        assert all('take mmsimmim.EMAHook in place of' in process['parts']['copied'] for process in processes)


class TestUnusedParameters:

    def test_unequal_gradients_end_the_training(self, processes):
        for rank, process in enumerate(processes):
            found = process['parts']
            assert found['equal'] is None
            assert ('2 parameters have a gradient in some processes and none in others: second.weight, second.bias. '
                    'Set find_unused_parameters=True') in found['unequal']
            assert f'in some steps and none in others (process {rank}): second.weight, second.bias' in found['changed']

    @pytest.mark.parametrize('used_by, none', [
        ('one', {'third'}), ('none', {'second', 'third'}), ('each', {'third'})])
    def test_they_count_as_under_ddp(self, processes, used_by, none):
        for process in processes:
            *messages, found, expected = process['parts'][used_by]
            assert messages == [None, None]
            assert {name.split('.')[0] for name, value in expected.items() if value is None} == none
            torch.testing.assert_close(found, expected)

    def test_gradients_are_clipped_by_value(self, processes):
        assert [process['parts']['clipped'] for process in processes] == pytest.approx([1e-3, 1e-3])
