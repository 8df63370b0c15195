"""Masked reconstruction loss on held-out images."""

import math
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric

from ..registry import METRICS


@METRICS.register_module()
class ReconstructionLoss(BaseMetric):
    """Mean over images of the pre-training loss, as :meth:`mmsimmim.SimMIM.predict` measures it.

    Two runs compare when their images, masks and targets are the same: give the validation pipeline's mask generator a
    seed. Each image counts alike, whatever the batches and the number of processes, among which none counts twice.
    Reported as ``reconstruction/masked_loss``, although it is the loss as in training: that of the whole image
    where the head says ``area='whole'``.

    Args:
        collect_device (str): Where the results of several processes meet, ``'cpu'`` or ``'gpu'``. Defaults to 'cpu'.
    """

    default_prefix = 'reconstruction'

    def __init__(self, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the loss of each image of a batch."""
        self.results.extend(float(sample['reconstruction_loss']) for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """Average."""
        return dict(masked_loss=math.fsum(results) / len(results))
