"""Evaluation of frozen features: kNN and a linear probe."""

import logging

import torch
from mmengine.logging import print_log
from torch import Tensor

from .knn import centred_directions, knn_classify
from .linear_probe import fit_linear_probe


def probe_features(features: Tensor,
                   labels: Tensor,
                   val_features: Tensor,
                   val_labels: Tensor,
                   k: int = 20,
                   temperature: float = 0.07,
                   weight_decay: float = 1e-3) -> dict[str, float]:
    """Fit both probes to labelled features, and measure their accuracy on others.

    A warning in the log tells when all labelled features have one direction, as those of an encoder that has collapsed,
    and when features are not finite, as those of one that has diverged.

    Args:
        features (Tensor): Shape (N, C), floating point.
        labels (Tensor): int64, shape (N, ).
        val_features (Tensor): Shape (M, C).
        val_labels (Tensor): int64, shape (M, ).
        k (int): Neighbours, see :func:`knn_classify`. Defaults to 20.
        temperature (float): Of their votes, likewise. Defaults to 0.07.
        weight_decay (float): Of the linear probe, see :func:`fit_linear_probe`. Defaults to 1e-3.

    Returns:
        dict[str, float]: ``knn`` and ``linear``, top-1 accuracy in percent; NaN if a feature is not finite.
    """
    broken = sum(int((~given.isfinite()).any(dim=1).sum()) for given in (features, val_features))
    if broken:
        print_log(f'The features of {broken} of {len(features) + len(val_features)} images are not finite, so that '
                  'there is no score. Has the training diverged?', logger='current', level=logging.WARNING)
        return dict(knn=float('nan'), linear=float('nan'))
    if _have_one_direction(features):
        print_log(f'The features of all {len(features)} labelled images have the same direction up to rounding errors: '
                  'the encoder does not tell images apart, and rounding decides which are nearest neighbours.',
                  logger='current', level=logging.WARNING)
    neighbours = knn_classify(features, labels, val_features, k, temperature)
    probe = fit_linear_probe(features, labels, int(labels.max()) + 1, weight_decay)
    predicted = dict(knn=neighbours, linear=probe.classify(val_features))
    return {name: 100 * (label == val_labels).double().mean().item() for name, label in predicted.items()}


def _have_one_direction(features: Tensor) -> bool:
    # What an encoder computes is exact to some dozens of units in the last place.
    noise = 100 * torch.finfo(features.dtype).eps
    return bool(centred_directions(features).norm(dim=1).max() < noise)
