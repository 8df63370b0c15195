"""Missing files of init_cfg are found before anything is built."""

import pytest
import torch
from mmengine.config import Config

from mmsimmim.engine.initial_weights import check_initial_weights
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
