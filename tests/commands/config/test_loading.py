"""What the tools do to a config before the Runner sees it."""

import pytest
from mmengine.config import Config

from mmsimmim.commands.config.loading import drop_disabled_hooks, read_config
from mmsimmim.commands.train import skip_validation
from mmsimmim.errors import UserError, why_missing
from mmsimmim.visualization.models import load_weights


def test_any_default_hook_can_be_switched_off():
    cfg = Config(dict(default_hooks=dict(reconstruction=None, logger=None, timer=dict(type='IterTimerHook'))))
    drop_disabled_hooks(cfg)
    assert cfg.default_hooks == dict(logger=None, timer=dict(type='IterTimerHook'))


def test_without_validation_no_pictures_of_the_validation_set():
    cfg = Config(dict(val_cfg=dict(), val_dataloader=dict(), val_evaluator=dict(),
                      default_hooks=dict(reconstruction=dict(type='mmsimmim.ReconstructionHook'))))
    skip_validation(cfg)
    assert cfg.val_dataloader is None and 'reconstruction' not in cfg.default_hooks
    cfg.default_hooks.reconstruction = dict(type='mmsimmim.ReconstructionHook', images=['a.jpg'])
    skip_validation(cfg)
    assert cfg.default_hooks.reconstruction.images == ['a.jpg']


def test_a_folder_in_place_of_a_config_is_called_a_folder(tmp_path):
    with pytest.raises(UserError, match=r'is a folder\. Give a config file\.$'):
        read_config(str(tmp_path))
    for number in range(7):
        (tmp_path / f'{number}.py').touch()
    with pytest.raises(UserError, match=r'Give a config file, one of those in it: 0\.py, .*4\.py, \.\.\.\.$'):
        read_config(str(tmp_path))
    with pytest.raises(UserError, match=r'does not exist .*Did you mean .*1\.py'):
        read_config(str(tmp_path / '1x.py'))


def test_why_there_is_no_file_or_folder(tmp_path):
    (tmp_path / 'file').touch()
    assert why_missing(str(tmp_path)) == 'is a folder, not a file'
    assert why_missing(str(tmp_path / 'file')) == 'is a file, not a folder'
    assert why_missing(str(tmp_path / 'other')).startswith('does not exist (working folder: ')
    with pytest.raises(UserError, match='The checkpoint .* is a folder, not a file'):
        load_weights(None, str(tmp_path))
