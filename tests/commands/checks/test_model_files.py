"""Missing files of init_cfg are found before anything is built, and not needed by what loads a whole model."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModule, Sequential

from mmsimmim.commands.checks.model_files import check_initial_weights, skip_initial_weights
from mmsimmim.errors import UserError


def config(checkpoint):
    return Config(dict(model=dict(
        backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
        heads=[dict(), dict(init_cfg=[dict(type='Xavier'), dict(type='Pretrained', checkpoint=checkpoint)])])))


def test_a_missing_file_is_named_with_its_key(tmp_path):
    with pytest.raises(UserError, match=r'^model.backbone.init_cfg.checkpoint: the checkpoint gone.pth does not exist'):
        check_initial_weights(config('gone.pth'))
    with pytest.raises(UserError, match='is a folder'):
        check_initial_weights(config(str(tmp_path)))
    cfg = config('gone.pth')
    cfg.model.backbone = dict(init_cfg=None)
    with pytest.raises(UserError, match=r'^model.heads.1.init_cfg.1.checkpoint: '):
        check_initial_weights(cfg)


def test_what_is_no_checkpoint_is_named_too(tmp_path):
    (tmp_path / 'page.pth').write_text('<!DOCTYPE html><html>404</html>')
    with pytest.raises(UserError, match=r'^load_from: .*page.pth is a web page'):
        check_initial_weights(Config(dict(load_from=str(tmp_path / 'page.pth'))))


def test_files_and_addresses_pass(tmp_path):
    torch.save(dict(weight=torch.zeros(1)), tmp_path / 'x.pth')
    for checkpoint in (str(tmp_path / 'x.pth'), 'torchvision://resnet50', 'https://example.org/x.pth', None):
        check_initial_weights(config(checkpoint))
    check_initial_weights(Config(dict()))


def test_nothing_is_needed_to_resume():
    check_initial_weights(Config(dict(config('gone.pth'), resume=True, load_from='also_gone.pth')))


PRETRAINED = dict(type='Pretrained', checkpoint='gone.pth')


@pytest.mark.parametrize('given, left', [
    (PRETRAINED, None), ([dict(type='Constant', val=3., layer='Linear'), PRETRAINED],
                         [dict(type='Constant', val=3., layer='Linear')])])
def test_a_runner_that_loads_a_whole_model_initialises_without_files(given, left):
    model = BaseModule(init_cfg=given)
    model.inner = Sequential(torch.nn.Linear(2, 2), init_cfg=PRETRAINED)
    skip_initial_weights(SimpleNamespace(model=torch.nn.ModuleDict(dict(module=model))))
    assert model.init_cfg == left and model.inner.init_cfg is None
    model.init_weights()
    assert (model.inner[0].weight == 3).all() == (left is not None)


def test_a_model_that_is_not_built_yet_is_copied():
    cfg = config('gone.pth')
    runner = SimpleNamespace(model=cfg.model)
    skip_initial_weights(runner)
    assert runner.model == dict(backbone=dict(init_cfg=None), heads=[dict(), dict(init_cfg=[dict(type='Xavier')])])
    assert cfg.model == config('gone.pth').model and isinstance(runner.model, ConfigDict)
