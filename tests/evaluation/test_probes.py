"""Both probes together."""

import pytest
import torch

from mmsimmim.evaluation import probe_features, probes

WARNING = 'same direction up to rounding errors'


@pytest.fixture
def told(monkeypatch):
    messages = []
    monkeypatch.setattr(probes, 'print_log', lambda message, **kwargs: messages.append(message))
    return messages


def data(deviation, dtype=torch.float32):
    """Features around one direction: 12 labelled ones of 3 classes, and 6 others."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(18) % 3
    features = 1 + deviation * (4 * torch.eye(3, 8)[labels] + torch.randn(18, 8, generator=generator)).to(dtype)
    return features[:12], labels[:12], features[12:], labels[12:]


@pytest.mark.parametrize('deviation', [1, 1e-4])
def test_images_that_are_told_apart(told, deviation):
    assert probe_features(*data(deviation), k=3) == dict(knn=100, linear=100)
    assert not told


@pytest.mark.parametrize('deviation, dtype', [(0, torch.float32), (1e-6, torch.float32), (1e-15, torch.float64)])
def test_an_encoder_that_has_collapsed_is_told(told, deviation, dtype):
    probe_features(*data(deviation, dtype), k=3)
    assert len(told) == 1 and WARNING in told[0] and 'all 12 labelled images' in told[0]


@pytest.mark.parametrize('of', [0, 2])
def test_features_that_are_not_finite_have_no_score(told, of):
    given = list(data(1))
    given[of] = given[of].clone()
    given[of][0, 0] = float('nan')
    scores = probe_features(*given, k=3)
    assert scores.keys() == {'knn', 'linear'} and all(score != score for score in scores.values())
    assert len(told) == 1 and 'features of 1 of 18 images are not finite' in told[0]
