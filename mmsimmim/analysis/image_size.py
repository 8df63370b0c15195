"""The image size of a config."""

from collections.abc import Sequence

from mmengine.config import Config


def pipeline_of(cfg: Config, loader: str) -> list[dict]:
    """The transforms of a data loader of a config, also below datasets that wrap another one; [] if there are none.

    Args:
        cfg (Config): The config.
        loader (str): ``'train_dataloader'``, ``'val_dataloader'`` or ``'test_dataloader'``.
    """
    part, pipeline = cfg.get(loader) or {}, []
    while part:
        # the outermost pipeline is the last one that an image passes
        pipeline = [*part.get('pipeline', ()), *pipeline]
        part = part.get('dataset')
    return pipeline


def image_size(pipeline: Sequence) -> tuple[int, int] | None:
    """The largest size that images have after a pipeline: that of its last transform that has one.

    Args:
        pipeline (Sequence): Configs of the transforms, also choices among such sequences (``RandomChoice``).

    Returns:
        tuple[int, int] | None: Height and width, pixels; None if no transform tells it. Where transforms keep the
        aspect ratio, the size of an image that fills the scale.
    """
    size = None
    for step in pipeline:
        if isinstance(step, dict):
            size = _size_after(step) or size
        else:
            size = image_size(step) or size
    return size


def _size_after(step: dict) -> tuple[int, int] | None:
    if 'transforms' in step:
        return image_size(step['transforms'])
    if step.get('crop_type', 'absolute') == 'absolute' and 'crop_size' in step:
        return _pair(step['crop_size'])
    if 'scales' in step:
        return max(map(_height_and_width, step['scales']), key=lambda size: size[0] * size[1])
    return _height_and_width(step['scale']) if isinstance(step.get('scale'), (int, tuple, list)) else None


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _height_and_width(scale: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of a scale, which MMCV gives as (width, height)."""
    return _pair(scale)[::-1]
