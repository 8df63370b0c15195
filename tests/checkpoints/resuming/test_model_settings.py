"""Windows and image sizes in the text of a config."""

import os

import pytest
from mmengine.config import Config

from mmsimmim.checkpoints.resuming.model_settings import changed_settings


def config(**backbone):
    backbone = dict(type='mmsimmim.SwinTransformerV2', **backbone)
    return Config(dict(model=dict(type='mmsimmim.SimMIM', backbone=backbone)))


@pytest.mark.parametrize('was, now, changed', [
    (dict(window_size=8), dict(window_size=8), []),
    (dict(window_size=8), dict(window_size=16), ['window_size=8 in the checkpoint, 16 in the config']),
    (dict(), dict(window_size=16), ['window_size=8 in the checkpoint, 16 in the config']),
    (dict(window_size=8), dict(), []),
    (dict(window_size=(8, 8, 8, 8)), dict(window_size=8), []),
    (dict(window_size=[8, 4]), dict(window_size=8), ['window_size=[8, 4] in the checkpoint, 8 in the config']),
    (dict(img_size=(192, 192)), dict(img_size=192), []),
    (dict(img_size=192), dict(), ['img_size=192 in the checkpoint, None in the config'])])
def test_what_differs_is_named(was, now, changed):
    found = changed_settings(config(**was).pretty_text, config(**now).model)
    assert found == [f'model.backbone.{text}' for text in changed]


@pytest.mark.parametrize('text', [
    None, 3, '', 'model = (', 'x = 1', 'model = open(1)', '(' * 100000, 'model = dict(**dict(img_size=3))',
    "model = __import__('os').system('touch run')"])
def test_a_text_that_says_nothing_is_not_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert changed_settings(text, config(img_size=192).model) == []
    assert os.listdir(tmp_path) == []
