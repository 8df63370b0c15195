"""Values of --cfg-options that cannot be used end training with one sentence: key, value, what is allowed.

Everything is built in this process as in a training, up to its first step.
"""

import sys

import pytest
from mmengine.runner import EpochBasedTrainLoop
from mmpretrain.visualization import UniversalVisualizer

from mmsimmim.commands import train
from mmsimmim.models import PixelReconstructionLoss
from tests.commands.conftest import CONFIG

BACKBONE = 'model.backbone.'
# A value for each option, or several.
BAD = {
    'log_level': ['LOUD', '7'],
    'work_dir': ['5'],
    'resume': ['yes'],
    'default_scope': ['nowhere'],
    'runner_type': ['NoRunner'],
    'compile': ['maybe', '3'],
    'find_unused_parameters': ['x'],
    'model': ['5', 'word'],
    'model.type': ['NoModel', 'mmsimmim.NoModel'],
    'model.oops': ['1'],
    'model.data_preprocessor.type': ['NoPreprocessor'],
    'model.data_preprocessor.std': ['[-1,1,1]', '[0,0,0]', '[nan,1,1]'],
    'model.data_preprocessor.mean': ['[nan,0,0]', '[1,2]'],
    'model.data_preprocessor.bgr_to_rgb': ['1,2'],
    BACKBONE + 'type': ['NoBackbone', 'mmsimmim.Swin'],
    BACKBONE + 'oops': ['1'],
    BACKBONE + 'patch_size': ['0', '-2', 'abc', '2.5'],
    BACKBONE + 'img_size': ['0', '-32', 'abc', '[0,32]'],
    BACKBONE + 'window_size': ['0', '-1'],
    BACKBONE + 'drop_path_rate': ['-0.1', '2'],
    BACKBONE + 'out_indices': ['[4]', '-1'],
    BACKBONE + 'frozen_stages': ['9', '-5'],
    BACKBONE + 'in_channels': ['0', '-3'],
    BACKBONE + 'with_cp': ['maybe', '3'],
    BACKBONE + 'bias_resize': ['nearest', '3'],
    BACKBONE + 'arch': ['huger', '5'],
    BACKBONE + 'arch.embed_dims': ['0', '-8', '[8,8]'],
    BACKBONE + 'arch.depths': ['[-1,1,1,1]', '[0,1,1,1]'],
    BACKBONE + 'arch.num_heads': ['[0,1,2,2]', '[0]'],
    'model.neck': ['None', '5'],
    'model.neck.type': ['NoNeck', 'mmsimmim.NoNeck'],
    'model.neck.in_channels': ['65', '0', '[64,64]'],
    'model.neck.encoder_stride': ['0', '-16'],
    'model.head.type': ['NoHead'],
    'model.head.patch_size': ['0', '-2'],
    'model.head.area': ['nothing'],
    'model.head.loss.type': ['NoLoss'],
    'model.head.loss.criterion': ['L7', '5'],
    'train_cfg': ['5'],
    'train_cfg.type': ['NoLoop'],
    'train_cfg.max_epochs': ['-1', 'abc'],
    'train_cfg.val_interval': ['0', '-1'],
    'train_cfg.oops': ['1'],
    'train_dataloader.batch_size': ['0', '-1'],
    'train_dataloader.num_workers': ['-1', 'abc'],
    'train_dataloader.prefetch_factor': ['0', 'abc'],
    'train_dataloader.drop_last': ['maybe'],
    'train_dataloader.sampler.type': ['NoSampler'],
    'train_dataloader.sampler.oops': ['1'],
    'train_dataloader.collate_fn.type': ['no_collate'],
    'train_dataloader.dataset.type': ['NoDataset'],
    'train_dataloader.dataset.oops': ['1'],
    'train_dataloader.dataset.val_ratio': ['2', '-1'],
    'train_dataloader.dataset.pipeline.0.type': ['NoTransform'],
    'train_dataloader.dataset.pipeline.0.scale': ['0', '-3'],
    'train_dataloader.dataset.pipeline.0.crop_ratio_range': ['[1,0]', 'abc'],
    'train_dataloader.dataset.pipeline.0.flip_prob': ['2', 'abc'],
    'train_dataloader.collate_fn.mask.mask_ratio': ['0', '1.5'],
    'train_dataloader.collate_fn.mask.input_size': ['0', '33'],
    'train_dataloader.collate_fn.mask.mask_patch_size': ['0', '7'],
    'val_evaluator.type': ['NoMetric'],
    'optim_wrapper': ['5'],
    'optim_wrapper.type': ['NoWrapper'],
    'optim_wrapper.optimizer.type': ['AdamX', '5'],
    'optim_wrapper.optimizer.oops': ['1'],
    'optim_wrapper.optimizer.lr': ['abc', '-1', 'nan'],
    'optim_wrapper.optimizer.weight_decay': ['-1', 'abc'],
    'optim_wrapper.optimizer.betas': ['[1,2]', '0.9'],
    'optim_wrapper.optimizer.eps': ['-1', 'abc'],
    'optim_wrapper.clip_grad': ['5', 'abc'],
    'optim_wrapper.clip_grad.max_norm': ['-1', '0', 'abc'],
    'optim_wrapper.accumulative_counts': ['0', '-1'],
    'optim_wrapper.paramwise_cfg.bias_decay_mult': ['abc', '-1'],
    'param_scheduler': ['5'],
    'param_scheduler.type': ['NoSchedule'],
    'param_scheduler.warmup': ['nan', '-1'],
    'param_scheduler.warmup_ratio': ['abc', '-1'],
    'param_scheduler.min_ratio': ['nan', 'abc'],
    'param_scheduler.end': ['0', '-1'],
    'param_scheduler.oops': ['1'],
    'default_hooks': ['5'],
    'default_hooks.checkpoint.interval': ['0', 'abc'],
    'default_hooks.checkpoint.max_keep_ckpts': ['abc', '-7'],
    'default_hooks.logger.interval': ['0', 'abc'],
    'default_hooks.logger.type': ['NoHook'],
    'custom_hooks': ['5', '[1]'],
    'custom_hooks.0.type': ['NoHook'],
    'visualizer.type': ['NoVisualizer'],
    'visualizer.vis_backends.0.type': ['NoBackend'],
    'log_processor.window_size': ['abc'],
    'randomness.seed': ['abc', '-1'],
    'randomness.oops': ['1'],
    'env_cfg.dist_cfg': ['5'],
    'auto_scale_lr': ['5', '[1,2]'],
    'model_wrapper_cfg.type': ['NoWrapper'],
    'val_evaluator': ['5'],
}
CASES = [(key, value) for key, values in BAD.items() for value in values]


class Ready(Exception):
    """Raised in place of the first step."""


@pytest.fixture
def build(monkeypatch, tmp_path, images):
    """A function that builds a training with options: None, or the code that the process ends with."""

    def run(self):
        raise Ready

    def build(*options):
        UniversalVisualizer._instance_dict.clear()  # which is kept by the second
        roots = [f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')]
        arguments = ['train.py', str(CONFIG), '--cfg-options', *roots, f'work_dir={tmp_path}',
                     'train_dataloader.num_workers=0', 'default_hooks.visualization=None', *options]
        monkeypatch.setattr(sys, 'argv', arguments)
        try:
            train.main()
        except Ready:
            return None
        except SystemExit as end:
            return end.code

    monkeypatch.setattr(EpochBasedTrainLoop, 'run', run)
    return build


def test_the_config_itself_is_built(build):
    assert build() is None
    assert build('optim_wrapper.clip_grad.max_norm=inf', 'train_cfg.max_epochs=5.0', 'randomness.seed=None') is None


@pytest.mark.parametrize('key, value', CASES, ids=[f'{key}={value}' for key, value in CASES])
def test_one_sentence(build, key, value):
    message = build(f'{key}={value}')
    assert isinstance(message, str) and message.startswith('error: '), 'exit status 1, and a message'
    assert key.split('.')[-1] in message and value.strip('[]').split(',')[0] in message
    assert 'Traceback' not in message and '\n' not in message and len(message) < 700


def test_words_of_an_unknown_name_and_of_a_class_of_ours(build):
    message = build('optim_wrapper.optimizer.type=AdamX')
    assert message.startswith('error: optim_wrapper.optimizer.type=AdamX: there is no such')
    assert 'Known are, among others: Adam' in message
    assert build('model.head.loss.criterion=L7').startswith("error: model.head.loss.criterion=L7: criterion 'L7' is")


def test_a_fault_of_the_program_stays_whole(build, monkeypatch):
    """Nobody raised it on purpose: no value of the config is to blame, whatever the options."""
    monkeypatch.setattr(PixelReconstructionLoss, '__init__', lambda self, criterion: self.no_such_attribute)
    with pytest.raises(AttributeError):
        build('model.head.loss.criterion=L2')
    monkeypatch.setattr(PixelReconstructionLoss, '__init__', lambda self, criterion: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build()


def test_errors_of_the_first_step_stay_whole(build, monkeypatch):
    def fail(self):
        raise ValueError('criterion')

    monkeypatch.setattr(EpochBasedTrainLoop, 'run', fail)
    with pytest.raises(ValueError, match='criterion'):
        build('model.head.loss.criterion=L2')
