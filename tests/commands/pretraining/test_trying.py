"""The trial: search below a device's memory, speed of steps and loading, what is said of them."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmsimmim.commands.pretraining.trying import host_memory, trial
from mmsimmim.commands.pretraining.trying.search import largest_batch, within_memory
from mmsimmim.commands.pretraining.trying.steps import Steps
from mmsimmim.commands.pretraining.trying.trial import Trial, TrialFailed, try_config
from mmsimmim.errors import UserError


class Device:
    """Memory for so many images at a time."""

    def __init__(self, images):
        self.images = images
        self.tried = []

    def fits(self, images):
        self.tried.append(images)
        return images <= self.images


def steps_on(device, full):
    """Steps whose iteration raises an error where a device has no memory for the batch."""
    steps = Steps.__new__(Steps)
    steps.device = 'cpu'
    model = nn.Linear(1, 1)
    steps.optim_wrapper = SimpleNamespace(optimizer=SimpleNamespace(state={}), zero_grad=model.zero_grad)
    steps.batch = lambda images: images

    def run(images):
        if not device.fits(images):
            model.weight.grad = torch.ones(1, 1)
            raise full

    steps.run = run
    steps.model = model
    return steps


class TestSearch:

    @pytest.mark.parametrize('room', [1, 2, 3, 7, 8, 9, 63, 64, 100, 117, 1000])
    @pytest.mark.parametrize('wanted', [1, 5, 8, 100, 128, 2048])
    def test_at_most_a_sixteenth_is_given_away(self, room, wanted):
        device = Device(room)
        found = largest_batch(device.fits, wanted)
        best = min(room, wanted)
        assert best - max(1, best // 16) < found <= best
        assert max(device.tried) <= wanted and len(device.tried) == len(set(device.tried)) < 20

    def test_nothing_fits(self):
        device = Device(0)
        assert largest_batch(device.fits, 100) == 0
        assert device.tried == [8, 4, 2, 1]

    def test_nothing_beyond_the_recipe_is_tried(self):
        device = Device(10_000)
        assert largest_batch(device.fits, 100) == 100
        assert device.tried == [8, 16, 32, 64, 100]

    @pytest.mark.parametrize('full', [
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB.'),
        RuntimeError('MPS backend out of memory (MPS allocated: 18 GB)'),
        RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)'),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
    ])
    def test_out_of_memory_is_caught_and_leaves_no_gradients(self, full):
        steps = steps_on(Device(50), full)
        assert largest_batch(steps.fits, 500) in (48, 49, 50)
        assert not steps.fits(51) and steps.model.weight.grad is None

    def test_another_fault_is_none_of_memory(self):
        with pytest.raises(RuntimeError, match='shape'):
            steps_on(Device(5), RuntimeError('shape mismatch')).fits(6)


class TestHostMemory:

    def test_from_two_steps(self):
        # 100 beside the images, 10 for each
        assert within_memory((2, 120), (8, 180), room=300, wanted=64) == 20
        assert within_memory((2, 120), (8, 180), room=300, wanted=16) == 16
        assert within_memory((2, 120), (8, 180), room=109, wanted=16) == 0
        assert within_memory((2, 120), (8, 120), room=200, wanted=16) == 16

    def test_a_container_may_have_less_than_the_machine(self, tmp_path):
        meminfo, group = tmp_path / 'meminfo', tmp_path / 'group'
        meminfo.write_text('MemTotal: 100 kB\nMemAvailable:   50 kB\n')
        group.mkdir()
        assert host_memory.available(meminfo, group) == 50 * 1024
        (group / 'memory.max').write_text('max\n')
        assert host_memory.available(meminfo, group) == 50 * 1024
        (group / 'memory.max').write_text('20000\n')
        (group / 'memory.current').write_text('15000\n')
        (group / 'memory.stat').write_text('anon 9000\ninactive_file 4000\n')
        assert host_memory.available(meminfo, group) == 9000
        assert host_memory.available(tmp_path / 'none', tmp_path / 'none') is None


def found(**changed):
    given = dict(largest_batch=64, steps=[(64, .64), (32, .32)], loading_rate=400., num_workers=4, threads=8,
                 devices=1, cores=16, on_cpu=False, start_seconds=5., tried=128)
    return Trial(**{**given, **changed})


class TestSpeed:

    def test_the_slower_of_computing_and_reading_counts(self):
        assert found().images_per_second(64) == pytest.approx(100)
        slow = found(loading_rate=50.)
        assert slow.images_per_second(64) == pytest.approx(50)
        assert '--set num_workers=15' in slow.lines(64)[1] and 'WARNING' in slow.lines(64)[1]
        assert len(found().lines(64)) == 1

    def test_a_smaller_batch_is_slower_by_what_each_step_takes(self):
        trial = found(steps=[(8, 0.2), (40, 0.6)])  # 0.1 s, and 1 / 80 s for each image
        assert trial.rate(40) == pytest.approx(40 / 0.6) and trial.rate(8) == pytest.approx(8 / 0.2)
        assert trial.rate(16) == pytest.approx(16 / 0.3) and trial.rate(80) == pytest.approx(80 / 1.1)
        assert found(steps=[(2, 1.)]).rate(64) == pytest.approx(2)
        # Noise: no batch takes less time than a smaller one, nor more than in proportion.
        assert found(steps=[(8, 0.2), (40, 0.1)]).rate(80) == pytest.approx(800)
        assert found(steps=[(8, 0.1), (40, 1.)]).rate(80) == pytest.approx(40)

    def test_devices_multiply_and_readers_share_cores(self):
        assert found(devices=4).images_per_second(64) == pytest.approx(400)
        # four times four readers have sixteen cores, eight times four no more
        assert found(devices=4, loading_rate=50.).images_per_second(64) == pytest.approx(200)
        assert found(devices=8, loading_rate=50.).images_per_second(64) == pytest.approx(200)
        assert 'times 4' in found(devices=4).lines(64)[0]

    def test_one_process_does_one_after_the_other(self):
        assert found(num_workers=0, loading_rate=100.).images_per_second(64) == pytest.approx(50)

    def test_on_a_cpu_they_share_the_cores(self):
        # Of 8 cores an image takes 8 / 100 core seconds to compute, and 1 / 50 to read.
        both = found(on_cpu=True, cores=8, num_workers=1, loading_rate=50.)
        assert both.images_per_second(64) == pytest.approx(50)
        both = found(on_cpu=True, cores=8, num_workers=4, loading_rate=200.)
        assert both.images_per_second(64) == pytest.approx(80)


class TestProcess:

    def _config(self, tmp_path):
        path = tmp_path / 'config.py'
        path.write_text('x = 1\n')
        return path

    def _child(self, monkeypatch, code):
        monkeypatch.setattr(trial, '_run', lambda line, output, devices: subprocess.run(
            [sys.executable, '-c', f'result = {line[4]!r}\n{code}'], stdout=open(output, 'wb'),
            stderr=subprocess.STDOUT).returncode)

    def test_a_crash_is_told_from_a_mistake(self, tmp_path, monkeypatch):
        self._child(monkeypatch, 'import os; print("a"); print("fault", flush=True); os.abort()')
        with pytest.raises(TrialFailed, match='status -6: fault'):
            try_config(self._config(tmp_path), 8, 1, 2, True)
        self._child(monkeypatch, 'import sys; sys.exit("error: no such thing")')
        with pytest.raises(UserError, match='^no such thing$'):
            try_config(self._config(tmp_path), 8, 1, 2, True)

    def test_a_process_that_the_kernel_ends_had_too_little_memory(self, tmp_path, monkeypatch):
        self._child(monkeypatch, 'import os; os.kill(os.getpid(), 9)')
        with pytest.raises(UserError, match='does not fit into the memory'):
            try_config(self._config(tmp_path), 8, 1, 2, True)

    def test_not_one_image_fits(self, tmp_path, monkeypatch):
        text = json.dumps(dict(largest_batch=0, measuring=1.))
        self._child(monkeypatch, f'open(result, "w").write({text!r})')
        with pytest.raises(UserError, match='single image'):
            try_config(self._config(tmp_path), 8, 1, 2, False)
