"""Pictures during training."""

import os
import random
import uuid

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmsimmim.engine.hooks import ReconstructionHook
from mmsimmim.errors import UserError
from mmsimmim.visualization import draw_sheet, reconstruct
from tests.visualization.tiny import tiny_config, write_picture


class Modes(Hook):
    """Notes before each iteration whether the model is in training mode, and one number from each generator."""

    priority = 'LOWEST'

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append((all(module.training for module in runner.model.modules()), random.random(), np.random.rand(),
                          torch.rand(1).item()))


@pytest.fixture
def cfg(tmp_path):
    for seed in range(6):
        write_picture(tmp_path / 'images' / f'{seed}.png', seed=seed)
    config = tiny_config(tmp_path / 'images')
    config.work_dir = str(tmp_path / 'work')
    return config


def train(cfg, **hook):
    """Train with the hook, or without it if no settings are given."""
    modes = Modes()
    cfg = Config(cfg.to_dict())
    cfg.custom_hooks = [dict(type='mmsimmim.ReconstructionHook', **hook)] if hook else []
    cfg.experiment_name = uuid.uuid4().hex
    random.seed(0)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(modes)
    runner.train()
    runner.visualizer.close()
    return runner, modes.seen


def pictures(runner):
    folder = os.path.join(runner.log_dir, 'vis_data', 'vis_image')
    return {name: cv2.imread(os.path.join(folder, name))[..., ::-1] for name in sorted(os.listdir(folder))}


def events(runner):
    accumulator = EventAccumulator(os.path.join(runner.log_dir, 'vis_data'), size_guidance=dict(images=0))
    accumulator.Reload()
    return {tag: accumulator.Images(tag) for tag in accumulator.Tags()['images']}


def expected_picture(runner, indices):
    """The picture of the present weights, by way of the public functions."""
    loader = runner.val_dataloader
    results = [one for i in indices for one in reconstruct(runner.model, loader.collate_fn([loader.dataset[i]]))]
    return draw_sheet(results, runner.model.data_preprocessor)


def test_writes_files_and_tensorboard_images(cfg):
    runner, _ = train(cfg, interval=2, num_images=2)

    files = pictures(runner)
    assert list(files) == ['reconstruction_2.png', 'reconstruction_3.png']  # at the interval, and at the end
    np.testing.assert_array_equal(files['reconstruction_3.png'], expected_picture(runner, [0, 1]))
    assert (files['reconstruction_2.png'] != files['reconstruction_3.png']).any()

    images, = events(runner).values()
    assert [event.step for event in images] == [2, 3]
    decoded = cv2.imdecode(np.frombuffer(images[-1].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(decoded, files['reconstruction_3.png'])


def test_by_iterations_and_by_indices(cfg):
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=5, val_interval=5)
    runner, _ = train(cfg, interval=2, by_epoch=False, indices=[4, 1], name='held_out')
    files = pictures(runner)
    assert list(files) == [f'held_out_{step}.png' for step in (2, 4, 5)]
    np.testing.assert_array_equal(files['held_out_5.png'], expected_picture(runner, [4, 1]))


def test_training_is_the_same_bit_for_bit(cfg):
    # drop path and crops draw random numbers; the validation pipeline here draws masks and mirrors too
    cfg.val_dataloader.dataset.pipeline[2].pop('seed')
    cfg.val_dataloader.dataset.pipeline.insert(1, dict(type='RandomFlip', prob=0.5))
    without, seen = train(cfg)
    with_hook, seen_with = train(cfg, interval=1, by_epoch=False)

    assert len(pictures(with_hook)) == 9
    assert seen == seen_with
    assert all(training for training, *_ in seen)
    for (name, weight), other in zip(without.model.state_dict().items(), with_hook.model.state_dict().values()):
        assert torch.equal(weight, other), name


def test_masks_stay_the_same_even_if_the_pipeline_draws_new_ones(cfg):
    cfg.val_dataloader.dataset.pipeline[2].pop('seed')
    cfg.optim_wrapper.optimizer.lr = 0.0
    first, second, third = pictures(train(cfg, interval=1)[0]).values()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_images_depend_on_the_hooks_seed_alone(cfg):
    cfg.val_dataloader.dataset.pipeline[2].pop('seed')

    def masks(run_seed, hook_seed):
        cfg.randomness = dict(seed=run_seed)
        cfg.train_cfg.max_epochs = 1
        runner, _ = train(cfg, seed=hook_seed)
        hook, = (hook for hook in runner.hooks if isinstance(hook, ReconstructionHook))
        return torch.stack([batch['data_samples'][0].mask for batch in hook._batches])

    assert torch.equal(masks(0, 0), masks(1, 0))
    assert not torch.equal(masks(0, 0), masks(0, 1))


def test_own_images_need_no_validation_set(cfg, tmp_path):
    path = write_picture(tmp_path / 'mine.png', 70, 150)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    runner, _ = train(cfg, interval=3, images=[str(path)])
    picture, = pictures(runner).values()
    assert picture.shape[1] > 4 * 3 * 128  # 64 x 128, enlarged threefold


def test_mixed_precision(cfg):
    cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')
    runner, _ = train(cfg, interval=3, num_images=1)
    np.testing.assert_array_equal(pictures(runner)['reconstruction_3.png'], expected_picture(runner, [0]))


def test_model_wrapped_for_distribution(cfg, tmp_path):
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    try:
        cfg.custom_hooks = [dict(type='mmsimmim.ReconstructionHook', interval=3)]
        runner = Runner.from_cfg(cfg)
        runner.model = MMDistributedDataParallel(runner.model)
        runner.train()
        assert list(pictures(runner)) == ['reconstruction_3.png']
    finally:
        torch.distributed.destroy_process_group()


def test_reads_as_seed_sample_asks(cfg):
    cfg.val_dataloader.dataset.pipeline.insert(0, dict(type='mmsimmim.SeedSample'))
    cfg.val_dataloader.sampler = dict(type='mmsimmim.SeededSampler', shuffle=False)
    assert len(pictures(train(cfg, interval=3)[0])) == 1


@pytest.mark.parametrize('hook, message', [
    (dict(indices=[0, 6]), r'indices \[0, 6\] must lie between 0 and 5'),
    (dict(images=['nowhere.png']), 'Cannot read the image nowhere.png'),
    (dict(images=['a.png'], indices=[0]), 'not both'),
    (dict(images=[]), 'nothing to show'),
    (dict(indices=[]), 'nothing to show'),
    (dict(interval=0), 'at least 1'),
    (dict(name='a/b'), 'without a slash'),
])
def test_readable_errors(cfg, hook, message):
    with pytest.raises(UserError, match=message):
        train(cfg, **hook)


def test_a_model_whose_targets_are_no_pictures(cfg):
    tokenizer = dict(type='mmpretrain.DALL-E', n_hid=4, n_blk_per_group=1, vocab_size=8)
    cfg.model.target_generator = dict(type='mmsimmim.TokenTarget', num_tokens=8, tokenizer=tokenizer)
    cfg.model.head.loss = dict(type='mmsimmim.CrossEntropyReconstructionLoss')
    with pytest.raises(UserError, match='predicts TokenTarget, .*no picture to draw. Leave it out .default_hooks.rec'):
        train(cfg, interval=1)


def test_no_validation_set(cfg):
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    with pytest.raises(UserError, match='no validation set to show images of'):
        train(cfg, interval=1)


def test_epochs_of_a_loop_that_counts_iterations(cfg):
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=5, val_interval=5)
    with pytest.raises(UserError, match='set by_epoch=False'):
        train(cfg, interval=1)
