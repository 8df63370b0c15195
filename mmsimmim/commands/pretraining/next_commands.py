"""The commands to give after a pre-training."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...architectures import SWIN
from ...models.backbones.hierarchy import parse_arch
from ..config.option_values import parse_value
from .source import first_image

# For the data of a detector and a segmentor, which a person has to name.
COCO, LABEL_MAPS, CLASSES = '/path/to/coco', '/path/to/label_maps', 'classes=[first,second]'
TYPE = 'mmsimmim.SwinTransformer'
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
    # a comma would make a list of the path
    whole = parse_value(backbone) == backbone
    start = f'model.backbone.init_cfg.checkpoint={backbone if whole else Path(backbone).name}'
    use = [['probe', str(config), str(checkpoint), '/path/to/classes'],
           ['train', 'your_detector.py', '--cfg-options', start]]
    if cfg.model.backbone.type == TYPE:
        size, widths = list(_size(cfg.model.backbone)), _widths(cfg.model.backbone)
        use = [['train', DETECTOR, '--cfg-options', *size, *_channels({'neck': widths}), start, f'data_root={COCO}',
                CLASSES],
               ['train', SEGMENTOR, '--cfg-options', *size,
                *_channels({'decode_head': widths, 'auxiliary_head': widths[2]}), start, f'data_root={LABEL_MAPS}',
                CLASSES]]
    there = '' if whole else f'cd {shlex.quote(str(config.parent))} && '
    commands = [f'mmsimmim {shlex.join(words)}' for words in [reconstruct, *use]]
    return [there + command if start in shlex.split(command) else command for command in commands]


def _images(cfg: Config) -> str:
    """Images that ``reconstruct`` reads; of a list one, since its folder may hold any others, too."""
    data = cfg.train_dataloader.dataset
    if not os.path.isdir(data.data_root):
        return '/path/to/images'
    return first_image(data.data_root, data.list_file) if data.get('list_file') else data.data_root


def _widths(backbone: dict[str, Any]) -> list[int]:
    """Channels of the four maps."""
    width = parse_arch(backbone['arch'], SWIN).embed_dims
    return [width * 2**stage for stage in range(4)]


def _channels(parts: dict[str, int | list[int]]) -> Iterator[str]:
    """The channels that parts of a model take in, where they are others than those of the configs."""
    for part, channels in parts.items():
        if channels not in (TINY, TINY[2]):
            yield f'model.{part}.in_channels={_without_blanks(channels)}'


def _size(backbone: dict[str, Any]) -> Iterator[str]:
    """The encoder's size, where it is another than that of the configs."""
    arch = backbone['arch']
    if not isinstance(arch, str):
        yield from (f'model.backbone.arch.{key}={_without_blanks(value)}' for key, value in arch.items())
    elif arch != 'tiny':
        yield f'model.backbone.arch={arch}'


def _without_blanks(value: Any) -> str:
    return str(value).replace(' ', '')


TINY = _widths(dict(arch='tiny'))
