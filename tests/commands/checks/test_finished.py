"""A finished run that is resumed says so."""

import pytest
import torch
from mmengine.config import Config

from mmsimmim.commands.checks.finished import describe_finished


@pytest.mark.parametrize('meta, train_cfg, message', [
    (dict(epoch=4, iter=12), dict(max_epochs=4), 'of 4 epochs, and train_cfg.max_epochs is 4'),
    (dict(epoch=4, iter=12), dict(max_epochs=2), 'max_epochs is 2'), (dict(epoch=4, iter=12), dict(max_epochs=5), ''),
    (dict(epoch=0, iter=12), dict(max_iters=12), 'of 12 iterations'), (dict(epoch=0, iter=11), dict(max_iters=12), '')])
def test_says_so(tmp_path, meta, train_cfg, message):
    torch.save(dict(meta=meta), tmp_path / 'last.pth')
    cfg = Config(dict(resume=True, load_from=str(tmp_path / 'last.pth'), train_cfg=train_cfg))
    text = ''.join(describe_finished(cfg))
    assert message in text and bool(text) == bool(message)
    cfg.resume = False
    assert describe_finished(cfg) == []
