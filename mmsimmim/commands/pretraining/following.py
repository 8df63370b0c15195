"""The commands to give after a pre-training."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

# For the data of a detector and a segmentor, which a person has to name.
COCO, LABEL_MAPS = '/path/to/coco', '/path/to/label_maps'
SWIN = 'mmsimmim.SwinTransformer'
DETECTOR = 'mmsimmim::det/mask-rcnn_swin-tiny-w7-fpn_1xb2-amp-ms-crop-3x_custom_simmim-100e.py'
SEGMENTOR = 'mmsimmim::seg/upernet_swin-tiny-w7_1xb4-amp-40k_folder-512px_simmim-100e.py'


def next_commands(cfg: Config, config: Path, checkpoint: Path, backbone: str) -> list[str]:
    """Three commands that use what was trained, as a shell takes them.

    Pictures of the training images, and of a Swin a detector and a segmentor from it; of another encoder its features,
    and a detector of one's own.

    Args:
        cfg (Config): Of the run.
        config (Path): Its file.
        checkpoint (Path): The last one.
        backbone (str): The exported encoder.
    """
    reconstruct = ['reconstruct', _images(cfg), str(config), str(checkpoint), '--out-dir',
                   str(config.parent / 'reconstructions')]
    start = f'model.backbone.init_cfg.checkpoint={backbone}'
    if cfg.model.backbone.type == SWIN:
        options = ['--cfg-options', *_size(cfg.model.backbone), start]
        use = [['train', DETECTOR, *options, f'data_root={COCO}'], ['train', SEGMENTOR, *options,
                                                                   f'data_root={LABEL_MAPS}']]
    else:
        use = [['probe', str(config), str(checkpoint), '/path/to/classes'],
               ['train', 'your_detector.py', '--cfg-options', start]]
    return [f'mmsimmim {shlex.join(words)}' for words in [reconstruct, *use]]


def _images(cfg: Config) -> str:
    root = cfg.train_dataloader.dataset.data_root
    return root if os.path.isdir(root) else '/path/to/images'


def _size(backbone: dict[str, Any]) -> Iterator[str]:
    """The encoder's size and window, where they are others than those of the configs."""
    arch = backbone['arch']
    if not isinstance(arch, str):
        yield from (f'model.backbone.arch.{key}={str(value).replace(" ", "")}' for key, value in arch.items())
    elif arch != 'tiny':
        yield f'model.backbone.arch={arch}'
