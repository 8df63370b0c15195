"""What does not belong to the model of the config is not resumed, sharded or not."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.distributed
from mmengine.config import Config
from mmengine.optim import OptimWrapper, OptimWrapperDict, StepLR

from mmsimmim.engine.fsdp import BLOCKS, shard, without_weights
from mmsimmim.engine.hooks.resuming.check_training_state import TrainingStateHook
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.commands.conftest import CONFIG, images, message_of  # noqa: F401  fixtures

# Swin has a table for each window, Swin V2 none, and the ViT one for the whole image.
ENCODERS = dict(
    swin=dict(type='mmsimmim.SwinTransformer', arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2]), window_size=4,
              out_indices=(1, )),
    swin_v2=dict(type='mmsimmim.SwinTransformerV2', arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2]),
                 window_size=4, out_indices=(1, )),
    vit=dict(type='mmsimmim.VisionTransformer', img_size=32, patch_size=8, arch=dict(
        embed_dims=8, num_layers=1, num_heads=1, feedforward_channels=16)))


def run_of(encoder, **settings):
    """As much of a runner as the hook looks at, with moments as after a step."""
    cfg = Config(dict(model=dict(ENCODERS[encoder], **settings), param_scheduler=[]))
    model = MODELS.build(cfg.model)
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return SimpleNamespace(model=model, cfg=cfg, optim_wrapper=OptimWrapper(optimizer), param_schedulers=[],
                           _load_from='old/epoch_1.pth')


def checkpoint_of(run):
    return copy.deepcopy(dict(
        state_dict=run.model.state_dict(), optimizer=run.optim_wrapper.state_dict(),
        message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}),
        meta=dict(epoch=1, iter=1, cfg=run.cfg.pretty_text)))


def look(run, checkpoint):
    TrainingStateHook().after_load_checkpoint(run, checkpoint)


@pytest.mark.parametrize('encoder, setting, reason', [
    ('swin', dict(window_size=2), 'other windows or image sizes .* 2 of its tables .* instead of .9, 1.'),
    ('swin', dict(img_size=8), 'make 2 of its tables another shape'),
    ('swin', dict(img_size=64), 'img_size=None in the checkpoint, 64 in the config'),
    ('swin_v2', dict(window_size=2), 'model.window_size=4 in the checkpoint, 2 in the config'),
    ('swin_v2', dict(pretrained_window_sizes=6), 'model.pretrained_window_sizes=0 in the checkpoint, 6 in the config'),
    ('vit', dict(img_size=48), 'make 1 of its tables another shape')])
def test_other_windows_and_image_sizes(encoder, setting, reason):
    checkpoint = checkpoint_of(run_of(encoder))
    look(run_of(encoder), checkpoint)
    with pytest.raises(UserError, match=reason) as caught:
        look(run_of(encoder, **setting), checkpoint)
    assert 'leave out --resume and give --cfg-options load_from=old/epoch_1.pth' in str(caught.value)


def test_weights_that_are_not_finite():
    """No checkpoint of a training has them, and no step makes them finite again."""
    run = run_of('swin')
    checkpoint = checkpoint_of(run)
    name = next(name for name, value in run.model.named_parameters())
    checkpoint['state_dict'][name].flatten()[0] = float('nan')
    with pytest.raises(UserError, match=f'{name} has values that are infinite or no numbers'):
        look(run, checkpoint)


def test_moments_of_another_shape():
    run = run_of('swin')
    checkpoint = checkpoint_of(run)
    checkpoint['optimizer']['state'][0]['exp_avg'] = torch.zeros(1)
    with pytest.raises(UserError, match='state of its optimizer is not that .*: exp_avg of .* has the shape .1,. inst'):
        look(run, checkpoint)


@pytest.mark.parametrize('path, value, reason', [
    # MMEngine counts up to it.
    ('meta.epoch', 1 << 62, 'meta.epoch is 4611686018427387904 and no number'),
    ('meta.epoch', -1, 'meta.epoch is -1 and no number'), ('meta.iter', 1.5, 'meta.iter is 1.5 and no number'),
    ('meta.iter', True, 'meta.iter is True and no number'), ('meta.epoch', torch.ones(2), 'meta.epoch is a Tensor'),
    ('meta.seed', 'x', 'meta.seed is a str and no seed'),
    ('message_hub', [1], 'message_hub has no dictionary log_sca'),
    ('message_hub', torch.ones(2), 'it lacks the log'),
    ('message_hub.runtime_info', None, 'no dictionary runtime_info'),
    ('message_hub.log_scalars', {1: 2}, 'message_hub.log_scalars has the key 1'),
    ('message_hub.resumed_keys', dict(lr='x'), 'message_hub.resumed_keys.lr is a str'),
    ('param_schedulers', 3, 'the states of the schedules are no list'),
    ('param_schedulers', [dict(last_step='x')], 'last_step of schedule 0 is a str'),
    ('param_schedulers', [dict(base_values=[None])], 'base_values of schedule 0 is a list'),
    ('optimizer.state', [], 'it is none of an optimizer')])
def test_states_of_another_form(path, value, reason):
    """MMEngine and PyTorch load them, and fail or never end in a later step."""
    run = run_of('swin')
    run.param_schedulers = [StepLR(run.optim_wrapper, step_size=1)]
    checkpoint = dict(checkpoint_of(run), param_schedulers=[run.param_schedulers[0].state_dict()])
    look(run, checkpoint)
    *parts, key = path.split('.')
    node = checkpoint
    for part in parts:
        node = node[part]
    node[key] = value
    with pytest.raises(UserError, match=f'old/epoch_1.pth cannot be resumed: .*{reason}'):
        look(run, checkpoint)


def test_one_of_several_optimizers():
    run = run_of('swin')
    run.optim_wrapper = OptimWrapperDict(first=run.optim_wrapper, second=run_of('swin').optim_wrapper)
    checkpoint = checkpoint_of(run)
    look(run, checkpoint)
    del checkpoint['optimizer']['second']['state'][0]['exp_avg'], checkpoint['optimizer']['second']['param_groups']
    with pytest.raises(UserError, match='state of its second is not'):
        look(run, checkpoint)


def test_parts_of_a_file_from_an_address():
    run = run_of('swin')
    checkpoint = checkpoint_of(run)
    del checkpoint['optimizer']
    with pytest.raises(UserError, match="it lacks the optimizer's state"):
        look(run, checkpoint)


@pytest.fixture
def two_processes():
    """This one, and another that is not there: nothing is sent."""
    from torch.testing._internal.distributed.fake_pg import FakeStore
    torch.distributed.init_process_group('fake', rank=0, world_size=2, store=FakeStore())
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch.__version__ < '2.9', reason='FSDPStrategy needs PyTorch 2.9')
def test_sharded(two_processes):
    """Full tensors of a file are compared with the full shapes of shards."""
    checkpoint, run = checkpoint_of(run_of('swin')), run_of('swin')
    run.strategy = SimpleNamespace(skeleton=without_weights(run.model))
    shard(run.model, BLOCKS, world_size=2)
    run.optim_wrapper = OptimWrapper(torch.optim.AdamW(run.model.parameters()))
    look(run, copy.deepcopy(checkpoint))
    name, parameter = list(run.model.named_parameters())[3]
    shape = parameter.to_local().shape
    assert shape != parameter.shape
    checkpoint['optimizer']['state'][3]['exp_avg'] = torch.zeros(shape)
    with pytest.raises(UserError, match=f'exp_avg of {name} has the shape'):
        look(run, checkpoint)


def test_train_asks_before_it_resumes(message_of, tmp_path, images):  # noqa: F811
    """Through tools/train.py: the checkpoint of the tiny model, resumed with other windows."""
    cfg = Config.fromfile(CONFIG)
    model = MODELS.build(cfg.model)
    torch.save(dict(
        state_dict=model.state_dict(), optimizer=torch.optim.AdamW(model.parameters()).state_dict(),
        message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}), param_schedulers=[dict(x=1)],
        meta=dict(epoch=1, iter=3)), tmp_path / 'epoch_1.pth')
    message = message_of(
        CONFIG, '--work-dir', tmp_path, '--resume', '--no-validate', '--cfg-options',
        f'train_dataloader.dataset.data_root={images}', f'val_dataloader.dataset.data_root={images}',
        'train_dataloader.num_workers=0', 'model.backbone.window_size=2')
    assert 'cannot be resumed: other windows or image sizes (window_size, img_size) make 3 of its tables' in message
