"""Weighted kNN classification of features, without any training."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Similarities held at a time: 256 MiB in float32, whatever the size of the datasets.
CHUNK_ELEMENTS = 2**26


def knn_classify(train_features: Tensor,
                 train_labels: Tensor,
                 features: Tensor,
                 k: int = 20,
                 temperature: float = 0.07,
                 chunk_elements: int = CHUNK_ELEMENTS) -> Tensor:
    """Classify by the k most similar labelled features, as `DINO <https://arxiv.org/abs/2104.14294>`_ does.

    Each of the k neighbours with the largest cosine similarity s votes for its label with the weight
    exp(s / temperature), as in `Wu et al. <https://arxiv.org/abs/1805.01978>`_, section 3.4. Of labels with equal
    votes the smallest wins. Features may lie close together: differences of similarity below the rounding errors of the
    similarities themselves still count.

    Args:
        train_features (Tensor): Labelled features, shape (N, C), floating point.
        train_labels (Tensor): Their labels, int64, shape (N, ), 0 or larger.
        features (Tensor): Features to classify, shape (M, C), same dtype and device.
        k (int): Number of neighbours. Defaults to 20.
        temperature (float): The smaller, the more the nearest ones count. Defaults to 0.07.
        chunk_elements (int): How many similarities to hold at a time. Defaults to 2**26.

    Returns:
        Tensor: Labels, int64, shape (M, ).

    Raises:
        ValueError: If there are fewer than ``k`` labelled features, the temperature is not above 0, or a feature is
            not finite.
    """
    if not 1 <= k <= len(train_features):
        raise ValueError(f'k must lie between 1 and the number of labelled features, {len(train_features)}; got {k}')
    if not temperature > 0:
        raise ValueError(f'temperature must be above 0, got {temperature}')
    for name, given in (('labelled features', train_features), ('features to classify', features)):
        if not given.isfinite().all():
            raise ValueError(f'{int((~given.isfinite()).any(dim=1).sum())} of {len(given)} {name} are not finite')
    bank = centred_directions(train_features).T
    num_classes = int(train_labels.max()) + 1
    chunks = F.normalize(features, dim=1).split(max(1, chunk_elements // len(train_features)))
    return torch.cat([_vote(chunk @ bank, train_labels, num_classes, k, temperature) for chunk in chunks])


def centred_directions(features: Tensor) -> Tensor:
    """Unit vectors less their mean.

    Encoders often give all images nearly the same direction, and cosine similarities near 1 differ by little more than
    their rounding errors. The product of a unit vector with these has only the differences left to be rounded; it is
    less than the similarity by the same number for every feature, so that order and weights stay.

    Args:
        features (Tensor): Shape (N, C), floating point.

    Returns:
        Tensor: Same shape, dtype and device.
    """
    mean = F.normalize(features, dim=1).mean(dim=0)
    precise = torch.float32 if features.device.type == 'mps' else torch.float64  # which MPS has not
    chunks = features.split(max(1, CHUNK_ELEMENTS // features.shape[1]))
    return torch.cat([(F.normalize(chunk.to(precise), dim=1) - mean).to(features.dtype) for chunk in chunks])


def _vote(similarity: Tensor, labels: Tensor, num_classes: int, k: int, temperature: float) -> Tensor:
    nearest, indices = similarity.topk(k, dim=1)
    # Relative to the nearest, which changes no order and keeps small temperatures from overflowing.
    weights = ((nearest - nearest[:, :1]) / temperature).exp()
    votes = weights.new_zeros(len(weights), num_classes)
    rows = torch.arange(len(votes), device=votes.device)
    # One neighbour at a time: scatter_add is not deterministic on a GPU.
    for neighbour in range(k):
        votes[rows, labels[indices[:, neighbour]]] += weights[:, neighbour]
    return votes.argmax(dim=1)
