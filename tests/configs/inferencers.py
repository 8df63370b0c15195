"""Shipped configs in the inferencers of their frameworks: an image gives the same from its file and as an array."""

import copy

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.structures import InstanceData
from torch import Tensor, nn


def check_classifier(config: Config, model: nn.Module, image: str) -> None:
    """Compare mmpretrain's inferencers with the model on the config's own test pipeline.

    Args:
        config (Config): Of the model; is not changed.
        model (nn.Module): A trained one.
        image (str): A file.
    """
    from mmpretrain import FeatureExtractor, ImageClassificationInferencer
    batch = _batch(config, image)
    model.eval()
    with torch.no_grad():
        scores = model.test_step(batch)[0].pred_score
        features = model.extract_feat(model.data_preprocessor(batch)['inputs'])
    classifier = ImageClassificationInferencer(copy.deepcopy(config), pretrained=False)
    classifier.model.load_state_dict(model.state_dict())
    extractor = FeatureExtractor(copy.deepcopy(config), pretrained=False)
    extractor.model.load_state_dict(model.state_dict())
    found = classifier([image, cv2.imread(image)])
    assert scores.max() > scores.min()
    for result in found:
        np.testing.assert_allclose(result['pred_scores'], scores, rtol=1e-5)
    for result in extractor([image, cv2.imread(image)]):
        for feature, expected in zip(result, features, strict=True):
            torch.testing.assert_close(feature, expected[0])


def check_detector(config: Config, model: nn.Module, image: str) -> None:
    """Compare mmdet's inferencer with the model on the config's own test pipeline; arguments as above."""
    from mmdet.apis import DetInferencer
    expected = run_detector(config, model, image)
    inferencer = DetInferencer(_without_backends(config), device='cpu', show_progress=False)
    inferencer.model.load_state_dict(model.state_dict())
    assert len(expected) > 0
    for given in (image, cv2.imread(image)):
        found, = inferencer(given, no_save_vis=True, return_datasamples=True)['predictions']
        for key in expected.keys():
            _assert_same(found.pred_instances[key], expected[key])


def run_detector(config: Config, model: nn.Module, image: str) -> InstanceData:
    """What a detector finds in an image by the config's own test pipeline; arguments as above."""
    return _predict(config, model, image).pred_instances


def check_segmentor(config: Config, model: nn.Module, image: str) -> None:
    """Compare mmsegmentation's inferencer with the model on the config's own test pipeline; arguments as above."""
    from mmseg.apis import MMSegInferencer
    expected = _predict(config, model, image).seg_logits.data
    inferencer = MMSegInferencer(_without_backends(config), device='cpu')
    inferencer.model.load_state_dict(model.state_dict())
    for given in (image, cv2.imread(image)):
        _assert_same(inferencer(given, return_datasamples=True).seg_logits.data, expected)


def _batch(config: Config, image: str) -> dict:
    from mmengine.dataset import default_collate, pseudo_collate
    steps = [step for step in config.test_dataloader.dataset.pipeline if step['type'] != 'LoadAnnotations']
    sample = Compose(copy.deepcopy(steps))(dict(img_path=image, img_id=0))
    return (default_collate if config.default_scope == 'mmpretrain' else pseudo_collate)([sample])


def _predict(config: Config, model: nn.Module, image: str) -> object:
    model.eval()
    with torch.no_grad():
        return model.test_step(_batch(config, image))[0]


def _without_backends(config: Config) -> Config:
    config = copy.deepcopy(config)
    config.visualizer.vis_backends = []
    return config


def _assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(torch.as_tensor(found), torch.as_tensor(expected))
