"""What the tools do to a config before the Runner sees it."""

from mmengine.config import Config

from mmsimmim.commands.common.config import drop_disabled_hooks
from mmsimmim.commands.train import skip_validation


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
