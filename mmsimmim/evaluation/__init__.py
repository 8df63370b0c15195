"""Measures of pre-training, and of classifiers on other test sets."""

from .avg_dist import AvgDist, average_distance
from .features import average_map, extract_features
from .knn import knn_classify
from .linear_probe import LinearProbe, fit_linear_probe
from .probes import probe_features
from .reconstruction import ReconstructionLoss
from .variant_accuracy import VariantAccuracy

__all__ = [
    'AvgDist', 'LinearProbe', 'ReconstructionLoss', 'VariantAccuracy', 'average_distance', 'average_map',
    'extract_features', 'fit_linear_probe', 'knn_classify', 'probe_features'
]
