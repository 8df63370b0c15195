"""tools/train.py: what its arguments do, and what it says to mistakes."""

import os
import runpy
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed
from mmengine.config import Config

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from mmsimmim.commands.checks import data_files
from mmsimmim.commands.common import runner
from mmsimmim.commands.config import loading as config_module
from tests.commands.conftest import CONFIG, REPO


class Built(Exception):
    """Raised in place of building the runner; carries the config."""


# What --resume looks for before the model is built.
STATE = dict(
    meta=dict(epoch=1, iter=3), message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}),
    optimizer=dict(x=1), param_schedulers=[dict(x=1)])


@pytest.fixture
def config_of(monkeypatch, tmp_path):
    """A function from arguments of train.py to the config that it would run."""
    for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'):  # which the tool sets, and monkeypatch then takes away
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)

    def build(cfg, **kwargs):
        raise Built(cfg)

    def config_of(*arguments, config=CONFIG):
        monkeypatch.setattr(runner, 'build_runner', build)
        monkeypatch.setattr(data_files, 'check_data_files', lambda cfg, names: None)  # COCO and the like are not here
        monkeypatch.setattr(sys, 'argv', ['train.py', str(config), '--work-dir', str(tmp_path), *map(str, arguments)])
        with pytest.raises(Built) as caught:
            runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')
        return caught.value.args[0]

    return config_of


class TestArguments:

    def test_work_dir(self, config_of, tmp_path):
        assert config_of().work_dir == str(tmp_path)

    def test_amp(self, config_of):
        assert config_of().optim_wrapper.type == 'OptimWrapper'
        wrapper = config_of('--amp').optim_wrapper
        assert wrapper.type == 'AmpOptimWrapper' and wrapper.dtype in ('bfloat16', 'float16')
        options = ['optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.dtype=float16']
        assert config_of('--amp', '--cfg-options', *options).optim_wrapper.dtype == 'float16'

    def test_no_validate(self, config_of):
        assert config_of().val_cfg is not None
        assert config_of('--no-validate').val_dataloader is None

    def test_auto_scale_lr(self, config_of):
        assert config_of('--cfg-options', 'train_dataloader.batch_size=4').optim_wrapper.optimizer.lr == 1e-3
        cfg = config_of('--auto-scale-lr', '--cfg-options', 'train_dataloader.batch_size=4',
                        'optim_wrapper.accumulative_counts=4')
        assert cfg.optim_wrapper.optimizer.lr == 2e-3 and not cfg.auto_scale_lr.enable
        cfg = config_of('--cfg-options', 'train_dataloader.batch_size=4', 'auto_scale_lr.enable=True')
        assert cfg.optim_wrapper.optimizer.lr == 5e-4

    @pytest.mark.parametrize('name', ['mmsimmim::pretrain/simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px.py',
                                      'mmpretrain::simmim/simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py'])
    def test_a_config_that_came_with_a_package(self, config_of, name):
        pytest.importorskip('mmpretrain')
        cfg = config_of(config=name)
        assert cfg.model.type.endswith('SimMIM') and '_scope_' not in cfg.model
        assert Path(cfg.filename).name == name.rsplit('/', 1)[1]

    def test_a_variable_of_the_config(self, config_of):
        config = REPO / 'configs' / 'pretrain' / 'simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py'
        cfg = config_of('--cfg-options', 'data_root=/x', config=config)
        assert cfg.train_dataloader.dataset.data_root == cfg.val_dataloader.dataset.data_root == '/x'

    @pytest.mark.parametrize('given, policy, spins', [
        ({}, 'PASSIVE', '1000'), (dict(GOMP_SPINCOUNT='5'), 'PASSIVE', '5'),
        (dict(OMP_WAIT_POLICY='ACTIVE'), 'ACTIVE', None), (dict(OMP_WAIT_POLICY='PASSIVE'), 'PASSIVE', None)])
    def test_waiting_threads_spin_for_a_moment(self, config_of, monkeypatch, given, policy, spins):
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        config_of()
        assert (os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT')) == (policy, spins)

    def test_loaders(self, config_of, monkeypatch):
        monkeypatch.setattr(config_module, 'get_device', lambda: 'cuda')
        cfg = config_of()
        assert cfg.train_dataloader.pin_memory and cfg.train_dataloader.persistent_workers
        assert cfg.train_dataloader.collate_fn.type == 'mmsimmim.collate_masked'  # as the config says
        assert cfg.val_dataloader.collate_fn.type == 'default_collate'
        assert not cfg.val_dataloader.persistent_workers  # it has no workers
        cfg = config_of('--no-pin-memory', '--no-persistent-workers')
        assert not cfg.train_dataloader.pin_memory and not cfg.train_dataloader.persistent_workers

    def test_loaders_of_other_frameworks_collate_as_mmengine_does(self, config_of):
        assert 'collate_fn' not in config_of('--cfg-options', 'default_scope=mmdet').val_dataloader

    def test_resume_without_a_checkpoint_starts_from_the_beginning(self, config_of, tmp_path_factory):
        path = str(tmp_path_factory.mktemp('other') / 'other.pth')
        torch.save(dict(state_dict=dict()), path)
        cfg = config_of('--resume', '--cfg-options', f'load_from={path}')
        assert (cfg.resume, cfg.load_from) == (False, path)

    @pytest.mark.parametrize('zipped', [True, False])
    @pytest.mark.parametrize('given', [True, False])
    def test_resume_takes_checkpoint_and_seed(self, config_of, tmp_path, given, zipped):
        path = tmp_path / 'epoch_3.pth'
        torch.save({**STATE, 'meta': dict(epoch=3, iter=9, seed=17)}, path, _use_new_zipfile_serialization=zipped)
        cfg = config_of('--resume', *[path] * given, '--cfg-options', 'randomness.seed=None')
        assert (cfg.resume, cfg.load_from, cfg.randomness.seed) == (True, str(path), 17)

    @pytest.mark.parametrize('framework, config', [
        ('mmdet', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'),
        ('mmseg', 'upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py'),
        ('mmpretrain', 'resnet/resnet18_8xb32_in1k.py')])
    def test_configs_of_all_three_frameworks(self, config_of, framework, config):
        module = pytest.importorskip(framework)
        config = f'{module.__path__[0]}/.mim/configs/{config}'
        cfg = config_of('--amp', '--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=1', config=config)
        assert cfg.default_scope == framework and cfg.optim_wrapper.type == 'AmpOptimWrapper'
        batch = cfg.train_dataloader.batch_size
        assert cfg.optim_wrapper.optimizer.lr == Config.fromfile(config).optim_wrapper.optimizer.lr * batch


class TestMistakes:

    def test_missing_config(self, message_of):
        message = message_of(CONFIG.with_name('tiny_confg.py'))
        assert 'tiny_confg.py does not exist' in message and f'Did you mean {CONFIG}' in message

    def test_broken_config(self, message_of, tmp_path):
        (tmp_path / 'broken.py').write_text('model = dict(type=')
        assert 'broken.py cannot be read: ' in message_of(tmp_path / 'broken.py')
        (tmp_path / 'imports.py').write_text("custom_imports = dict(imports=['no_such_module'])")
        assert 'no_such_module' in message_of(tmp_path / 'imports.py')

    def test_config_without_training(self, message_of, tmp_path):
        (tmp_path / 'empty.py').write_text('model = dict()')
        assert 'does not set train_cfg, train_dataloader, optim_wrapper' in message_of(tmp_path / 'empty.py')

    def test_options(self, message_of):
        assert "'batch_size' is not of the form key=value" in message_of(CONFIG, '--cfg-options', 'batch_size')
        message = message_of(CONFIG, '--cfg-options', 'train_dataloader.batch_size.x=1')
        assert '--cfg-options train_dataloader.batch_size.x=1 does not fit' in message

    def test_checkpoint(self, message_of, tmp_path):
        path = tmp_path / 'epoch_1.pth'
        assert 'epoch_1.pth does not exist' in message_of(CONFIG, '--work-dir', tmp_path, '--resume', path)
        path.write_bytes(b'half')
        assert 'epoch_1.pth cannot be used' in message_of(CONFIG, '--work-dir', tmp_path, '--resume', path)
        assert 'is a folder' in message_of(CONFIG, '--work-dir', tmp_path, '--resume', tmp_path)

    @pytest.mark.parametrize('name, reason', [
        ('weight', "has nothing for the SimMIM's backbone"),
        ('backbone.weight', 'not one of the model in the config')])
    def test_resumed_checkpoint_of_another_architecture(self, message_of, tmp_path, images, name, reason):
        torch.save(dict(state_dict={name: torch.zeros(3)}, **STATE), tmp_path / 'epoch_1.pth')
        message = message_of(CONFIG, '--work-dir', tmp_path, '--resume', '--cfg-options',
                             *(f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val')))
        assert reason in message
        if name != 'weight':
            assert f'leave out --resume and give --cfg-options load_from={tmp_path / "epoch_1.pth"}' in message

    @pytest.mark.parametrize('content', [
        dict(model=dict(weight=torch.zeros(3)), epoch=1), dict(state_dict=dict(weight=torch.zeros(3)), meta=dict())])
    def test_parameters_alone_cannot_be_resumed(self, message_of, tmp_path, content):
        torch.save(content, tmp_path / 'official.pth')
        message = message_of(CONFIG, '--work-dir', tmp_path, '--resume', tmp_path / 'official.pth')
        assert 'holds no state of a training' in message and f'load_from={tmp_path / "official.pth"}' in message

    @pytest.mark.parametrize('part, named', [
        ('optimizer', "it lacks the optimizer's state"), ('param_schedulers', 'it lacks the state of the schedules'),
        ('message_hub', 'it lacks the log'), ('meta', 'it lacks epoch and iteration')])
    def test_a_checkpoint_without_all_of_its_state_cannot_be_resumed(self, message_of, tmp_path, part, named):
        path = tmp_path / 'epoch_1.pth'
        torch.save({key: value for key, value in STATE.items() if key != part}, path)
        message = message_of(CONFIG, '--work-dir', tmp_path, '--resume')
        assert f'{path} holds no state of a training that could go on: {named}' in message
        assert f'leave out --resume and give --cfg-options load_from={path}' in message

    def test_missing_initial_weights(self, message_of, tmp_path):
        message = message_of(CONFIG, '--work-dir', tmp_path, '--cfg-options', 'model.backbone.init_cfg.type=Pretrained',
                             'model.backbone.init_cfg.checkpoint=gone.pth')
        assert message.startswith('error: model.backbone.init_cfg.checkpoint: the checkpoint gone.pth does not exist')

    def test_launcher(self, message_of, tmp_path, monkeypatch):
        monkeypatch.delenv('WORLD_SIZE', raising=False)
        message = message_of(CONFIG, '--work-dir', tmp_path, '--launcher', 'pytorch')
        assert 'WORLD_SIZE' in message and 'tools/dist_train.sh' in message
        assert 'python -m torch.distributed.run --nproc_per_node=GPUS -m mmsimmim train CONFIG' in message

    @pytest.mark.parametrize('name, hint', [
        ('mmsimmim::pretrain/simmim_swin-tny-w6_8xb256-amp-coslr-100e_in1k-192px.py',
         'Did you mean mmsimmim::pretrain/simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px.py'),
        ('mmsimmin::pretrain/x.py', 'mmsimmin'), ('mmsimmim::x.py', 'such as mmsimmim::pretrain/NAME.py'),
        ('mmdet::no/such.py', 'mmdet has no config no/such.py')])
    def test_config_that_no_package_has(self, message_of, name, hint):
        message = message_of(name)
        assert message.startswith(f'error: The config {name} is not found: ') and hint in message

    def test_data_folder(self, message_of, tmp_path):
        message = message_of(CONFIG, '--work-dir', tmp_path, '--no-validate', '--cfg-options',
                             f'train_dataloader.dataset.data_root={tmp_path}/nowhere')
        assert "nowhere' does not exist" in message

    def test_folder_without_a_readable_image(self, message_of, tmp_path):
        for i in range(20):
            (tmp_path / f'{i}.png').write_text('no image')
        message = message_of(CONFIG, '--work-dir', tmp_path, '--no-validate', '--cfg-options',
                             f'train_dataloader.dataset.data_root={tmp_path}', 'train_dataloader.batch_size=2')
        first = message.splitlines()[0].rstrip()
        assert first.startswith('error: None of') and 'can be read' in first and first.endswith('not an image.')


def test_added_options_are_reported(config_of):
    options = {'optim_wrapper.optimiser.lr': 1, 'train_cfg.max_epochs': 2, 'train_pipeline.0.type': 'X',
               'compile.mode': 'default', 'find_unused_parameters': True, 'load_from': 'x.pth',
               'train_pipeline.9.type': 'X'}
    with pytest.raises(Exception, match='does not fit'):
        config_module.read_with_options(str(CONFIG), options)
    del options['train_pipeline.9.type']
    messages = config_module.read_with_options(str(CONFIG), options)[1]
    messages = [message for message in messages if 'had no such key' in message]
    assert len(messages) == 1 and 'optim_wrapper.optimiser.lr' in messages[0]


def test_connected_processes_part_in_the_end(monkeypatch, images, left_connections, tmp_path):
    monkeypatch.setattr(sys, 'argv', [
        'train.py', str(CONFIG), '--work-dir', str(tmp_path), '--no-validate', '--launcher', 'pytorch', '--cfg-options',
        f'train_dataloader.dataset.data_root={images}', 'train_cfg.max_epochs=1', 'train_dataloader.num_workers=0'])
    runpy.run_path(str(REPO / 'tools' / 'train.py'), run_name='__main__')
    assert not torch.distributed.is_initialized() and not left_connections()


@pytest.mark.slow
def test_dist_train_on_two_cpus_ends_like_one_process(run_tool, tmp_path):
    options = ['model.backbone.drop_path_rate=0.', 'optim_wrapper.optimizer._delete_=True',
               'optim_wrapper.optimizer.type=SGD', 'optim_wrapper.optimizer.lr=0.02', 'train_cfg.max_epochs=2']
    launch = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=1', '--master_port=29616']
    code, output = run_tool(*launch, '-m', 'mmsimmim', 'train', CONFIG, '--launcher', 'pytorch', '--work-dir',
                            tmp_path / 'one', options=options)
    assert code == 0, output
    code, output = run_tool(
        'tools/dist_train.sh', CONFIG, 2, '--work-dir', tmp_path / 'two', '--auto-scale-lr',
        options=[*options, 'train_dataloader.batch_size=4'], PORT='29617')
    assert code == 0, output
    assert 'Learning rates scaled by 1:' in output and '4 x 2 processes' in output
    assert output.count('Left out, as it cannot be read: broken.jpg (not an image)') == 1
    one, two = (torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True)['state_dict'] for name in ('one', 'two'))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-4, msg=name)
