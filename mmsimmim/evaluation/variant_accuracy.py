"""Accuracy on test sets with fewer classes, or more right labels, than a classifier's own."""

from collections.abc import Sequence

import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from ..errors import UserError
from ..registry import METRICS


@METRICS.register_module()
class VariantAccuracy(BaseMetric):
    """Top-k accuracy among the classes that a test set has; a prediction is right if it is one of the image's labels.

    - Where ``subset`` in the dataset's meta information names the classes of the test set, the scores of the others
      are left out before the best are taken: the protocol of ImageNet-A and -R, whose images are of 200 classes of
      1000. (Counting a prediction outside of them as wrong, as mmpretrain's ``Accuracy`` would, gives less.)
    - Where ``gt_label`` has several labels, each of them is right: the accuracy of the ReaL labels.

    With one label per image and all classes it is mmpretrain's ``Accuracy``, which likewise counts no prediction with a
    score of 0 or NaN. Reported as ``accuracy/top1`` and so on, in percent.

    Args:
        topk (int | Sequence[int]): How many of the best predictions count. Defaults to (1, ).
        collect_device (str): Where the results of several processes meet, ``'cpu'`` or ``'gpu'``. Defaults to 'cpu'.
        prefix (str, optional): Replaces 'accuracy' in the names of the results. Defaults to None.

    Examples:
        >>> test_evaluator = dict(type='mmsimmim.VariantAccuracy', prefix='imagenet_a')
    """

    default_prefix = 'accuracy'

    def __init__(self, topk: int | Sequence[int] = (1, ), collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.topk = (topk, ) if isinstance(topk, int) else tuple(topk)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep for each image of a batch whether it is right.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): Each with ``pred_score``, float, shape (num_classes, ), and ``gt_label``,
                integers, shape (number of right labels, ).

        Raises:
            UserError: There are no scores, or not as many as the dataset has classes, or fewer classes than ``topk``.
        """
        subset = self._subset()
        for sample in data_samples:
            if 'pred_score' not in sample:
                raise UserError('VariantAccuracy needs the scores of a classifier of mmpretrain (pred_score), which '
                                'the model in the config does not give.')
            self.results.append(self._is_right(sample['pred_score'].cpu(), sample['gt_label'].cpu(), subset))

    def _subset(self) -> Tensor:
        """The classes among which to decide."""
        classes = range(len(self.dataset_meta['classes']))
        subset = torch.tensor(self.dataset_meta.get('subset', classes))
        if max(self.topk) > len(subset):
            raise UserError(f'VariantAccuracy: topk={max(self.topk)}, but the test set has {len(subset)} classes.')
        return subset

    def _is_right(self, scores: Tensor, labels: Tensor, subset: Tensor) -> list[bool]:
        """Whether one of the best k is a right label, for each k."""
        if len(scores) != len(self.dataset_meta['classes']):
            raise UserError(f'The classifier tells {len(scores)} classes apart, but the labels of the test set are '
                            f'numbers of {len(self.dataset_meta["classes"])} classes. Test one that was trained on '
                            'these.')
        best = scores[subset].topk(max(self.topk))
        right = torch.isin(subset[best.indices], labels) & (best.values > 0)
        return [bool(right[:k].any()) for k in self.topk]

    def compute_metrics(self, results: list[list[bool]]) -> dict[str, float]:
        """The share of right images, in percent."""
        return {f'top{k}': 100 * sum(right) / len(results) for k, right in zip(self.topk, zip(*results))}
