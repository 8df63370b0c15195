"""Measures of pre-training."""

from .avg_dist import AvgDist, average_distance
from .features import average_map, extract_features
from .knn import knn_classify
from .linear_probe import LinearProbe, fit_linear_probe
from .probes import probe_features
from .reconstruction import ReconstructionLoss

__all__ = [
    'AvgDist', 'LinearProbe', 'ReconstructionLoss', 'average_distance', 'average_map', 'extract_features',
    'fit_linear_probe', 'knn_classify', 'probe_features'
]
