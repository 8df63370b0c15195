"""From a folder of images to a backbone: what ``mmsimmim pretrain`` and :func:`mmsimmim.pretrain` do, step by step."""

from .run import Pretrained, TrainingStopped, pretrain
