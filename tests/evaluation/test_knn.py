"""Nearest neighbours, against a loop over all pairs in plain Python."""

import math

import pytest
import torch

from mmsimmim.evaluation import knn_classify


def brute_force(bank, labels, queries, k, temperature):
    """One query and one neighbour after the other."""
    result = []
    for query in queries.tolist():
        pairs = []
        for vector, label in zip(bank.tolist(), labels.tolist()):
            dot = sum(a * b for a, b in zip(query, vector))
            pairs.append((dot / math.hypot(*query) / math.hypot(*vector), label))
        votes = {}
        for similarity, label in sorted(pairs, reverse=True)[:k]:
            votes[label] = votes.get(label, 0) + math.exp(similarity / temperature)
        result.append(max(votes, key=votes.get))
    return result


def random_data(seed=0, n=60, m=25, channels=4, classes=5):
    generator = torch.Generator().manual_seed(seed)
    draw = dict(generator=generator, dtype=torch.float64)
    return (torch.randn(n, channels, **draw), torch.randint(classes, (n, ), generator=generator),
            torch.randn(m, channels, **draw) * 10)


@pytest.mark.parametrize('k', [1, 7, 60])
@pytest.mark.parametrize('temperature', [0.07, 1.0])
def test_equals_brute_force(k, temperature):
    bank, labels, queries = random_data()
    found = knn_classify(bank, labels, queries, k, temperature)
    assert found.tolist() == brute_force(bank, labels, queries, k, temperature)
    assert len(set(found.tolist())) > 1


@pytest.mark.parametrize('deviation', [1e-2, 1e-3])
def test_features_that_lie_close_together(deviation):
    """Their cosine similarities differ by less than float32 tells apart near 1."""
    bank, labels, queries = random_data(channels=16)
    shift = torch.ones(16, dtype=torch.float64)
    bank, queries = ((shift + deviation * features).float() for features in (bank, queries / 10))
    exact = brute_force(bank.double(), labels, queries.double(), 7, 0.07)
    assert knn_classify(bank, labels, queries, 7).tolist() == exact


def test_k_and_temperature_matter():
    bank, labels, queries = random_data()
    usual = knn_classify(bank, labels, queries, 20, 0.07)
    assert not torch.equal(usual, knn_classify(bank, labels, queries, 1, 0.07))
    assert not torch.equal(usual, knn_classify(bank, labels, queries, 20, 10.0))


@pytest.mark.parametrize('chunk_elements', [1, 60, 150, 10**6])
def test_chunks_change_nothing(chunk_elements):
    bank, labels, queries = random_data()
    whole = knn_classify(bank, labels, queries)
    assert torch.equal(knn_classify(bank, labels, queries, chunk_elements=chunk_elements), whole)


def test_one_chunk_of_similarities_at_a_time(monkeypatch):
    shapes = []
    topk = torch.Tensor.topk
    monkeypatch.setattr(torch.Tensor, 'topk', lambda x, *args, **kw: shapes.append(x.shape) or topk(x, *args, **kw))
    bank, labels, queries = random_data(n=50, m=25)
    knn_classify(bank, labels, queries, k=3, chunk_elements=500)
    assert shapes == [(10, 50), (10, 50), (5, 50)]


def test_separable_classes():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    features = 10 * torch.eye(3)[labels] + torch.randn(300, 3, generator=generator)
    assert torch.equal(knn_classify(features[:200], labels[:200], features[200:]), labels[200:])


def test_small_temperatures_do_not_overflow():
    bank = torch.tensor([[1., 0.], [0.9, 0.1], [0.9, 0.1]])
    labels = torch.tensor([0, 1, 1])
    query = torch.tensor([[1., 0.]])
    # the nearest alone counts, where exp(1 / 1e-4) would be infinite
    assert knn_classify(bank, labels, query, k=3, temperature=1e-4).tolist() == [0]
    assert knn_classify(bank, labels, query, k=3, temperature=1.0).tolist() == [1]


@pytest.mark.parametrize('k, temperature, message', [
    (0, 0.07, 'k must lie between 1 and the number of labelled features, 60; got 0'),
    (61, 0.07, 'k must lie between 1 .* got 61'),
    (20, 0, 'temperature must be above 0'),
])
def test_readable_errors(k, temperature, message):
    with pytest.raises(ValueError, match=message):
        knn_classify(*random_data(), k, temperature)


@pytest.mark.parametrize('broken', [float('nan'), float('inf')])
def test_features_that_are_not_finite_are_refused(broken):
    features, labels = torch.eye(3), torch.arange(3)
    wrong = features.clone()
    wrong[1, 0] = broken
    with pytest.raises(ValueError, match='1 of 3 labelled features are not finite'):
        knn_classify(wrong, labels, features, k=1)
    with pytest.raises(ValueError, match='1 of 3 features to classify are not finite'):
        knn_classify(features, labels, wrong, k=1)
