"""Masks drawn once on the pixels of an image, for models whose tokens differ in size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from ..datasets.transforms import MASK_STRATEGIES, MaskGenerator
from ..errors import UserError
from ..registry import TRANSFORMS


@dataclass(frozen=True)
class MaskSetting:
    """One way to mask images of any size.

    Args:
        strategy (str): Its name.
        patch_size (int): Side of a masked patch, pixels.
        ratio (float): Share of the patches to mask, in (0, 1].
        make (Callable): Takes the arguments of :class:`mmsimmim.datasets.transforms.MaskGenerator` and gives one.
    """

    strategy: str
    patch_size: int
    ratio: float
    make: Callable[..., MaskGenerator]

    @property
    def label(self) -> str:
        """Strategy and patch size in a few words."""
        return f'{self.strategy}, {self.patch_size} px'

    def draw(self, height: int, width: int, seed: int = 0, index: int = 0) -> np.ndarray:
        """Draw a mask, the same as :class:`PictureLoader` draws of this seed and number.

        Args:
            height (int): Of the image, pixels; a multiple of the masked patch.
            width (int): Likewise.
            seed (int): Seed of the masks. Defaults to 0.
            index (int): Number of the image. Defaults to 0.

        Returns:
            np.ndarray: uint8, shape (height, width), 1 = masked.

        Raises:
            UserError: If the generator refuses the sizes or the ratio.
        """
        try:
            generator = self.make(input_size=(height, width), mask_patch_size=self.patch_size, model_patch_size=1,
                                  mask_ratio=self.ratio)
        except ValueError as error:
            raise UserError(f'Masks of the strategy {self.strategy} cannot be drawn: {error}') from error
        return generator.draw(np.random.RandomState([seed, index]))


def mask_settings(trained: dict,
                  strategies: Sequence[str] | None = None,
                  patch_sizes: Sequence[int] | None = None,
                  ratios: Sequence[float] | None = None) -> list[MaskSetting]:
    """All combinations of what is given; what is not given is as in a training config.

    Args:
        trained (dict): Config of a mask generator, such as ``PictureLoader.mask_cfg``.
        strategies (Sequence[str], optional): Names in :data:`mmsimmim.datasets.transforms.MASK_STRATEGIES`, which
            have their own arguments' defaults. Defaults to None: the generator of the config, with its arguments.
        patch_sizes (Sequence[int], optional): Sides of a masked patch, pixels. Defaults to None.
        ratios (Sequence[float], optional): Shares to mask. Defaults to None.

    Returns:
        list[MaskSetting]: Strategy by strategy, within it size by size, within it ratio by ratio.

    Raises:
        UserError: If a size or a ratio is impossible.
    """
    generator = TRANSFORMS.build(trained)
    if strategies:
        makers = {name: MASK_STRATEGIES[name] for name in strategies}
    else:
        makers = {strategy_of(generator): lambda **changes: TRANSFORMS.build({**trained, **changes})}
    choices = makers, patch_sizes or [generator.mask_patch_size], ratios or [generator.mask_ratio]
    settings = [MaskSetting(name, size, ratio, makers[name]) for name, size, ratio in product(*map(
        dict.fromkeys, choices))]
    for setting in settings:
        setting.draw(setting.patch_size, setting.patch_size)
    return settings


def strategy_of(generator: MaskGenerator) -> str:
    """The name of a generator's strategy, as near as there is one; else the name of its class."""
    name = type(generator).__name__
    for strategy, make in MASK_STRATEGIES.items():
        kind, fixed = (make.func, make.keywords) if isinstance(make, partial) else (make, {})
        if type(generator) is kind and all(getattr(generator, key) == value for key, value in fixed.items()):
            name = strategy
    return name


def on_tokens(mask: np.ndarray, patch_size: int) -> np.ndarray:
    """Bring a mask from pixels to tokens.

    Args:
        mask (np.ndarray): Shape (H, W), 1 = masked.
        patch_size (int): Side of a token, pixels.

    Returns:
        np.ndarray: Shape (H / patch_size, W / patch_size), same dtype.

    Raises:
        ValueError: If a token would be masked in part.
    """
    tokens = mask[::patch_size, ::patch_size]
    if not np.array_equal(tokens.repeat(patch_size, axis=0).repeat(patch_size, axis=1), mask):
        raise ValueError(f'the mask of {mask.shape[0]} x {mask.shape[1]} pixels cuts through tokens of {patch_size} '
                         'pixels')
    return np.ascontiguousarray(tokens)
