"""The recipe after a trial: batch, time and what a person fixed."""

import time
from types import SimpleNamespace

import pytest

from mmsimmim.commands.pretraining import choose as choosing
from mmsimmim.commands.pretraining import settle as settling
from mmsimmim.commands.pretraining.architectures import architecture
from mmsimmim.commands.pretraining.choose import options_of, this_machine
from mmsimmim.commands.pretraining.trying.trial import Trial, TrialFailed, try_config
from mmsimmim.commands.pretraining.write import write_config
from mmsimmim.errors import UserError
from mmsimmim.recipes import Machine

FOUND = SimpleNamespace(num_training=50_000, sizes=[(300, 250)] * 10)
GPU = Machine('cuda', precision='bf16')


@pytest.fixture
def tried(monkeypatch):
    """Trials on a device that takes 100 images and trains on 200 a second, 10 ms for each step on top."""
    asked = []

    def give(config, images, devices, cores, on_cpu):
        asked.append(images)
        largest = min(100, images)
        return Trial(largest, [(size, 0.01 + size / 200) for size in (largest, 8)], 1e6, 4, 8, devices, 16, on_cpu, 7.,
                     images)

    monkeypatch.setattr(settling, 'try_config', give)
    return asked


def settle(machine=GPU, settings=None, began=None, **asked):
    return settling.settle(FOUND, architecture('swin-tiny'), machine, asked, settings or {},
                           lambda recipe, folder: folder, time.monotonic() if began is None else began)


class TestBatch:

    def test_it_is_what_the_device_takes_in_as_many_parts_as_the_recipe_needs(self, tried):
        recipe, lines = settle()
        assert tried[0] > 100 >= recipe.device_batch
        assert recipe.accumulation > 1 and 0 <= tried[0] - recipe.batch_size < recipe.accumulation
        assert '100 images at a time;' in lines[0]

    def test_no_more_than_the_recipe_wants_is_tried(self, tried):
        recipe, lines = settle(batch_size=48)
        assert tried == [48] and (recipe.device_batch, recipe.accumulation) == (48, 1)
        assert '48 images at a time or more' in lines[0]

    def test_a_batch_that_was_set_stays(self, tried):
        recipe, _ = settle(settings=dict(batch_size=40, accumulative_counts=3))
        assert tried == [40] and (recipe.device_batch, recipe.accumulation) == (40, 3)
        with pytest.raises(UserError, match='100 images of each device do'):
            settle(settings=dict(batch_size=400))
        with pytest.raises(UserError, match='give one of them'):
            settle(settings=dict(batch_size=40), batch_size=80)


class TestTime:

    def test_a_budget_is_what_the_speed_of_the_chosen_batch_allows(self, tried):
        recipe, _ = settle(hours=1)
        seconds = recipe.max_iters * (0.01 + recipe.device_batch / 200)
        assert 0.9 * (3600 - 7) == pytest.approx(seconds, rel=0.03)
        assert recipe.seconds == pytest.approx(3600, rel=0.03)
        assert '1 h at' in recipe.reasons[1]

    def test_what_passed_before_the_training_counts(self, tried):
        whole, _ = settle(hours=1)
        half, _ = settle(hours=1, began=time.monotonic() - 1800)
        assert half.images_seen / whole.images_seen == pytest.approx(0.5, rel=0.05)

    def test_without_a_budget_the_time_is_told(self, tried):
        recipe, _ = settle()
        assert recipe.seconds > 0 and ', about ' in recipe.reasons[1]

    def test_devices_make_it_faster(self, tried):
        one, four = (settle(Machine('cuda', devices, precision='bf16'), hours=1)[0] for devices in (1, 4))
        assert four.images_seen / one.images_seen == pytest.approx(4, rel=0.05)

    def test_a_budget_too_small_for_anything_is_warned_of(self, tried):
        recipe, _ = settle(hours=1e-4)
        assert recipe.steps == 1 and 'the time is too short' in ' '.join(recipe.warnings)

    def test_two_lengths_exclude_each_other_before_anything_is_tried(self, tried):
        with pytest.raises(UserError, match='hours and epochs'):
            settle(hours=1, epochs=3)
        assert not tried


class TestFailure:

    def test_a_trial_that_crashed_stops_none_but_a_budget(self, monkeypatch):
        def crash(*args):
            raise TrialFailed('The trial ended with status -11.')

        monkeypatch.setattr(settling, 'try_config', crash)
        recipe, lines = settle()
        assert recipe.seconds is None and recipe.device_batch <= 128 and 'WARNING: The trial' in lines[0]
        with pytest.raises(UserError, match='--epochs'):
            settle(hours=1)


class TestDevices:

    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch):
        monkeypatch.setattr(choosing, 'cores', lambda: 3)

    def on(self, monkeypatch, device, number=0):
        monkeypatch.setattr('mmengine.device.get_device', lambda: device)
        monkeypatch.setattr('torch.cuda.device_count', lambda: number)

    def test_all_gpus_must_be_there(self, monkeypatch):
        self.on(monkeypatch, 'cuda', 2)
        assert this_machine(2, None).devices == 2
        with pytest.raises(UserError, match='--devices 4: this machine has 2 GPUs'):
            this_machine(4, None)

    def test_processes_need_cores(self, monkeypatch):
        self.on(monkeypatch, 'cpu')
        assert this_machine(3, None).cores == 1
        for number in (0, 4):
            with pytest.raises(UserError, match='no GPU, and 3 cores'):
                this_machine(number, None)


def test_the_first_steps_of_a_config_in_a_process_of_its_own(tmp_path, image_folder):
    encoder = architecture('swin-atto')
    found = SimpleNamespace(num_training=40, sizes=[(40, 30)] * 10)
    recipe = choosing.choose(found, encoder, Machine(precision='fp32'), img_size=64, epochs=1)
    options = dict(options_of(recipe, encoder), data_root=str(image_folder), num_workers=0)
    trial = try_config(write_config(encoder.config, options, tmp_path, []), 12, 1, 2, True)
    assert trial.largest_batch == 12
    assert 0 < trial.images_per_second(12) < min(trial.rate(12), trial.loading_rate) < 1e5
    assert trial.start_seconds > 0.5  # PyTorch was imported there
    assert sorted(path.name for path in tmp_path.iterdir()) == ['pretrain_config.py']


@pytest.fixture
def image_folder(tmp_path_factory):
    """Images to train on."""
    from PIL import Image
    root = tmp_path_factory.mktemp('images')
    for number in range(40):
        Image.new('RGB', (40, 30), (number, 0, 0)).save(root / f'{number}.png')
    return root
