"""The linear probe, against Newton's method with the Hessian written out."""

import numpy as np
import pytest
import torch

from mmsimmim.evaluation import fit_linear_probe


def newton(features, labels, num_classes, weight_decay, steps=30):
    """Weights (classes, C + 1), bias last, of the optimum for standardised features."""
    x = (features - features.mean(0)) / features.std(0)
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    targets = np.eye(num_classes)[labels]
    decay = np.tile(np.append(np.full(x.shape[1] - 1, weight_decay), 0.), num_classes)
    weights = np.zeros(num_classes * x.shape[1])
    for _ in range(steps):
        logits = x @ weights.reshape(num_classes, -1).T
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = ((p - targets).T @ x / len(x)).ravel() + decay * weights
        hessian = np.diag(decay)
        for vector, row in zip(x, p):
            hessian += np.kron(np.diag(row) - np.outer(row, row), np.outer(vector, vector)) / len(x)
        # equal shifts of all biases change nothing, so that the Hessian has one zero direction
        weights -= np.linalg.pinv(hessian) @ gradient
    assert np.abs(gradient).max() < 1e-12
    return weights.reshape(num_classes, -1)


def random_data(n=80, channels=4, classes=3):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n, channels, generator=generator, dtype=torch.float64)
    labels = (features[:, 0] + torch.randn(n, generator=generator) > 0) + (features[:, 1] > 0.5).long()
    return features * torch.tensor([1., 100., 1e-3, 1.]) + 5, labels % classes


@pytest.mark.parametrize('weight_decay', [1e-3, 1.0])
def test_equals_the_optimum(weight_decay):
    features, labels = random_data()
    probe = fit_linear_probe(features, labels, 3, weight_decay)
    expected = newton(features.numpy(), labels.numpy(), 3, weight_decay)
    np.testing.assert_allclose(probe.weight.numpy(), expected[:, :-1], rtol=1e-4, atol=1e-6)
    bias = probe.bias - probe.bias.mean()
    np.testing.assert_allclose(bias.numpy(), expected[:, -1] - expected[:, -1].mean(), rtol=1e-4, atol=1e-6)
    shown = torch.linspace(-3, 3, 44, dtype=torch.float64).reshape(11, 4) * 20
    x = (shown.numpy() - features.numpy().mean(0)) / features.numpy().std(0)
    logits = x @ expected[:, :-1].T + expected[:, -1]
    assert probe.classify(shown).tolist() == logits.argmax(1).tolist()


def test_scale_and_offset_of_features_do_not_matter():
    features, labels = random_data()
    probe, other = fit_linear_probe(features, labels, 3), fit_linear_probe(features * 1e3 - 7, labels, 3)
    torch.testing.assert_close(other.logits(features * 1e3 - 7), probe.logits(features), rtol=1e-5, atol=1e-7)


def test_separable_classes_in_float32_and_the_same_every_time():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    features = 4 * torch.eye(8)[labels] + 0.5 * torch.randn(300, 8, generator=generator)
    before = torch.get_rng_state()
    probes = [fit_linear_probe(features[:200], labels[:200], 3) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(probes[0].classify(features[200:]), labels[200:])
    assert torch.equal(probes[0].weight, probes[1].weight) and probes[0].weight.dtype == torch.float32
    assert not probes[0].weight.requires_grad and probes[0].weight.grad is None


def test_constant_features_are_ignored():
    features, labels = random_data()
    constant = torch.full((len(features), 1), 0.1, dtype=torch.float64)
    constant[::2] += 1e-17  # rounding
    with_constant = torch.cat([features, constant], dim=1)
    probe = fit_linear_probe(with_constant, labels, 3)
    torch.testing.assert_close(probe.logits(with_constant), fit_linear_probe(features, labels, 3).logits(features),
                               rtol=1e-5, atol=1e-7)


def test_works_where_gradients_are_switched_off():
    features, labels = random_data()
    with torch.no_grad():
        inside = fit_linear_probe(features, labels, 3)
    assert torch.equal(inside.weight, fit_linear_probe(features, labels, 3).weight)


def test_readable_errors():
    features, labels = random_data()
    with pytest.raises(ValueError, match='weight_decay must be above 0, got 0'):
        fit_linear_probe(features, labels, 3, weight_decay=0)
    features[3, 1] = float('nan')
    with pytest.raises(ValueError, match='not finite'):
        fit_linear_probe(features, labels, 3)
