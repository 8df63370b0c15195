"""Sizes of the benchmark of few images, and what it measures."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from mmsimmim.architectures import SWIN
from mmsimmim.recipes.rule import SHORT_RATE
from tools.benchmarks.transfer.dense_transfer_presets import PRESETS as DENSE
from tools.benchmarks.transfer.transfer_presets import PRESETS as CLASSES


class Task(NamedTuple):
    """A training with labels.

    Attributes:
        data (str): 'photos', 'nuclei' or 'aerial'.
        measure (str): What the table has.
        key (str): Of MMEngine's log.
        scale (float): Of the logged value to percent.
        lrs (tuple[float, ...]): Peak learning rates that each start tries.
    """

    data: str
    measure: str
    key: str
    scale: float
    lrs: tuple[float, ...]


TASKS = dict(
    cls=Task('photos', 'top-1', 'accuracy/top1', 1, (1e-3, 3e-3)),
    det=Task('nuclei', 'mask AP', 'coco/segm_mAP', 100, (1e-3, 3e-3)),
    seg=Task('nuclei', 'mIoU', 'mIoU', 1, (1e-3, 3e-3)),
    trees=Task('aerial', 'box AP', 'coco/bbox_mAP', 100, (1e-3, 3e-3)))
ARCH = 'atto'
# Windows of the encoder as the recipe has it, in pre-training and later.
WINDOW = 6


@dataclass(frozen=True)
class Preset:
    """Everything the size decides.

    Args:
        seconds (float): Processor time of a pre-training.
        percent (int): How many of the training images have labels.
        arch (str): Of the Swin Transformer.
        short_rate (float): Of the rule that chooses the recipe: results of another one are not mixed with these.
    """

    seconds: float = 360.
    percent: int = 20
    arch: str = ARCH
    short_rate: float = SHORT_RATE

    @property
    def classes(self):
        """Of the classifiers."""
        return replace(CLASSES['cpu'], arch=SWIN[self.arch], stages=4, window_size=WINDOW, img_size=96,
                       finetune_epochs={self.percent: 40})

    @property
    def dense(self):
        """Of detectors and segmentors."""
        return replace(DENSE['cpu'], arch=SWIN[self.arch], stages=4, window_size=WINDOW, det_steps=500, seg_steps=300)
