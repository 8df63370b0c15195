"""Several models on the same pixels under the same masks, side by side."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..evaluation import average_distance
from ..models import SimMIM
from ..models.targets import RelativePixelTarget
from .panels import draw_row, hide_masked, paste_visible, stack_rows, to_display
from .pixel_masks import MaskSetting, on_tokens
from .reconstruction import reconstruct


@dataclass
class Outcome:
    """The reconstruction of one masked image by one model.

    Args:
        picture (np.ndarray): Its reconstruction, RGB, uint8, shape (H, W, 3).
        loss (float): Its own loss on the masked pixels of this image, whatever area it was trained on. Losses of
            different targets or criteria do not compare.
        difference (float): Mean absolute difference between picture and image over masked pixels and the channels
            shown, in levels of 0..255: what does compare.
    """

    picture: np.ndarray
    loss: float
    difference: float


@dataclass
class Comparison:
    """One image under one mask, and its reconstructions by the models.

    Args:
        image (str): Its name.
        setting (MaskSetting): How it was masked.
        mask (np.ndarray): The mask, shape (H, W), 1 = masked.
        original (np.ndarray): The image, RGB, uint8, shape (H, W, 3).
        outcomes (list[Outcome]): One per model.
    """

    image: str
    setting: MaskSetting
    mask: np.ndarray
    original: np.ndarray
    outcomes: list[Outcome]

    @property
    def share(self) -> float:
        """Share of the pixels that are masked, in (0, 1]: the ratio, rounded up to whole masked patches."""
        return float(self.mask.mean())

    @property
    def distance(self) -> float:
        """AvgDist of the mask, pixels, see :func:`average_distance`; NaN if all is masked."""
        return average_distance(self.mask)


def compare(models: Sequence[SimMIM],
            inputs: Tensor,
            setting: MaskSetting,
            image: str = '',
            seed: int = 0,
            index: int = 0,
            channels: Sequence[int] | None = None) -> Comparison:
    """Let several models reconstruct one image under one mask.

    Args:
        models (Sequence[SimMIM]): At least one; encoders, targets and normalisations may differ.
        inputs (Tensor): The unnormalised image, shape (1, C, H, W), its sides multiples of what every model needs
            (:func:`mmsimmim.visualization.side_multiple`) and of the masked patch.
        setting (MaskSetting): How to mask; its patch a multiple of the tokens of every model.
        image (str): Name of the image. Defaults to ''.
        seed (int): Seed of the masks. Defaults to 0.
        index (int): Number of the image, from which with the seed the mask is drawn. Defaults to 0.
        channels (Sequence[int], optional): See :func:`to_display`. Defaults to None.

    Returns:
        Comparison: The outcomes in the order of the models.

    Raises:
        UserError: If the mask cannot be drawn.
        ValueError: If it masks a token of a model in part.
    """
    mask = setting.draw(*inputs.shape[2:], seed, index)
    shown = [_reconstruct(model, inputs, mask, channels) for model in models]
    return Comparison(image, setting, mask, shown[0][0], [outcome for _, outcome in shown])


def _reconstruct(model: SimMIM, inputs: Tensor, mask: np.ndarray,
                 channels: Sequence[int] | None) -> tuple[np.ndarray, Outcome]:
    """Image and outcome as shown."""
    sample = BaseDataElement(mask=torch.from_numpy(on_tokens(mask, model.head.patch_size)))
    with _masked_area(model.head):
        one, = reconstruct(model, dict(inputs=inputs, data_samples=[sample]))
    original, picture = (to_display(x, model.data_preprocessor, channels) for x in (one.image, one.reconstruction))
    return original, Outcome(picture, one.loss, masked_difference(picture, original, mask))


@contextmanager
def _masked_area(head: nn.Module) -> Iterator[None]:
    """Let a head compare on the masked area, also one that was trained on the whole image."""
    area = getattr(head, 'area', 'masked')  # A head from elsewhere may know of no other.
    head.area = 'masked'
    try:
        yield
    finally:
        head.area = area


def masked_difference(picture: np.ndarray, original: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute difference over masked pixels and channels.

    Not the peak signal-to-noise ratio, which is infinite where a picture is exact, such as on a black border, and then
    has no mean over images.

    Args:
        picture (np.ndarray): uint8, shape (H, W, 3).
        original (np.ndarray): uint8, shape (H, W, 3).
        mask (np.ndarray): Shape (H, W), 1 = masked, not all 0.

    Returns:
        float: In levels, 0 (equal) to 255.
    """
    masked = mask.astype(bool)
    return float(np.abs(picture[masked].astype(np.int64) - original[masked]).mean())


def uses_image_statistics(model: SimMIM) -> bool:
    """Whether its predictions are shown with means and deviations of the image itself, masked pixels included.

    Such reconstructions use information that the model did not have, and their difference is not comparable to others.
    """
    return isinstance(model.target_generator, RelativePixelTarget)


def draw_comparisons(comparisons: Sequence[Comparison],
                     names: Sequence[str],
                     with_visible: bool = False,
                     min_side: int = 192) -> np.ndarray:
    """A row for each comparison: image, masked image, and a column for each model.

    Args:
        comparisons (Sequence[Comparison]): At least one.
        names (Sequence[str]): Of the models.
        with_visible (bool): Show the visible pixels as they are, and predictions where masked only. Defaults to False.
        min_side (int): See :func:`draw_row`. Defaults to 192.

    Returns:
        np.ndarray: RGB picture, uint8.
    """
    return stack_rows([_draw_row(one, names, with_visible, min_side) for one in comparisons])


def _draw_row(one: Comparison, names: Sequence[str], with_visible: bool, min_side: int) -> np.ndarray:
    pictures = [outcome.picture for outcome in one.outcomes]
    if with_visible:
        pictures = [paste_visible(picture, one.original, one.mask) for picture in pictures]
    return draw_row(
        [one.original, hide_masked(one.original, one.mask), *pictures],
        captions=(one.image, one.setting.label, *names),
        note=('original', f'{one.share:.0%} masked   AvgDist {one.distance:.1f}',
              *(f'loss {outcome.loss:.4f}   diff. {outcome.difference:.1f}' for outcome in one.outcomes)),
        min_side=min_side)
