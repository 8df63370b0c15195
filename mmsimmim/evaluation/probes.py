"""What frozen features are worth: nearest neighbours and a linear probe, side by side."""

from torch import Tensor

from .knn import knn_classify
from .linear_probe import fit_linear_probe


def probe_features(features: Tensor,
                   labels: Tensor,
                   val_features: Tensor,
                   val_labels: Tensor,
                   k: int = 20,
                   temperature: float = 0.07,
                   weight_decay: float = 1e-3) -> dict[str, float]:
    """Fit both probes to labelled features, and count how often they are right on others.

    Args:
        features (Tensor): Shape (N, C), floating point.
        labels (Tensor): int64, shape (N, ).
        val_features (Tensor): Shape (M, C).
        val_labels (Tensor): int64, shape (M, ).
        k (int): Neighbours, see :func:`knn_classify`. Defaults to 20.
        temperature (float): Of their votes, likewise. Defaults to 0.07.
        weight_decay (float): Of the linear probe, see :func:`fit_linear_probe`. Defaults to 1e-3.

    Returns:
        dict[str, float]: ``knn`` and ``linear``, top-1 accuracy in percent.
    """
    neighbours = knn_classify(features, labels, val_features, k, temperature)
    probe = fit_linear_probe(features, labels, int(labels.max()) + 1, weight_decay)
    predicted = dict(knn=neighbours, linear=probe.classify(val_features))
    return {name: 100 * (label == val_labels).double().mean().item() for name, label in predicted.items()}
