"""A run that begins with a checkpoint: which encoder that is, what is kept of it, and what begins anew."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...checkpoints import Contents
from ...checkpoints.report import describe
from ...checkpoints.sizes import is_whole, size
from ...errors import UserError
from ...models.pretrained import read_file
from ...recipes import Recipe
from .architectures import FAMILIES, Architecture, shown_name

FAMILY = {'swin': 'swin', 'swin_v2': 'swinv2', 'vit': 'vit'}


class Start(NamedTuple):
    """What a run begins with.

    Attributes:
        path (str): The checkpoint.
        contents (Contents): What it holds.
        img_size (int, optional): Side of the crops that it was trained on, pixels; None where it does not tell.
        window_size (Any): Its windows; None where it does not tell.
        decoder (tuple[int, int], optional): Outputs and inputs of its linear decoder; None if it has none.
    """

    path: str
    contents: Contents
    img_size: int | None
    window_size: Any
    decoder: tuple[int, int] | None

    @property
    def is_whole(self) -> bool:
        """Whether it is a pre-training of images with three channels, whose mask token and decoder are kept as well."""
        encoder = self.architecture(None).encoder if is_whole(self.contents) else None
        return (encoder is not None and self.contents.mask_token
                and self.decoder == (3 * encoder.stride**2, encoder.channels))

    def architecture(self, asked: Architecture | None) -> Architecture:
        """The encoder of the checkpoint.

        Args:
            asked (Architecture, optional): As it was asked for; it must be that one.

        Raises:
            UserError: It is another one, or the checkpoint does not tell all numbers and none was asked for.
        """
        family, numbers = FAMILY[self.contents.encoder], size(self.contents)
        if asked is not None:
            own = {**FAMILIES[asked.family][asked.arch], **asked.changes}
            if asked.family != family or any(numbers[key] is not None and _differ(numbers[key], own[key])
                                             for key in own if key in numbers):
                raise UserError(f'{self.path} holds another encoder than --arch {asked.name}: '
                                f'{describe(self.contents)}. Leave out --arch, which then follows the checkpoint.')
            return asked
        patch_size = self.contents.patch_size
        if self.contents.arch in FAMILIES[family]:
            return Architecture(f'{family}-{shown_name(family, self.contents.arch)}', family, self.contents.arch,
                                patch_size=patch_size)
        if not is_whole(self.contents):
            raise UserError(f'{self.path} does not tell all numbers of its encoder: {describe(self.contents)}. Name '
                            'it: --arch.')
        return Architecture(f'{family} of its own size', family, 'base', numbers, patch_size)

    def options(self, recipe: Recipe) -> dict[str, Any]:
        """As options of the config.

        Args:
            recipe (Recipe): Of the run.
        """
        where = dict(load_from=self.path) if self.is_whole else {
            'model.backbone.init_cfg.type': 'Pretrained', 'model.backbone.init_cfg.checkpoint': self.path}
        if self._keeps_windows(recipe):
            return dict(where, window_size=self.window_size)
        return where

    def line(self, options: Mapping[str, Any]) -> str:
        """What a person should know of it.

        Args:
            options (Mapping[str, Any]): All options of the config.
        """
        if self.path not in (options.get('load_from'), options.get('model.backbone.init_cfg.checkpoint')):
            return f'WARNING: {self.path} tells the encoder, but what is set leaves its weights out.'
        kept, new = ['encoder'], ['optimizer', 'schedule', 'count of steps']
        (kept if self.contents.mask_token else new).insert(len(kept) if self.contents.mask_token else 0, 'mask token')
        (kept if self.is_whole else new).insert(len(kept) if self.is_whole else 0, 'decoder')
        windows, window = [window for window in self.contents.windows if window], options.get('window_size')
        resized = ''
        if windows and isinstance(window, int) and window != max(windows):
            resized = f' Position biases of windows of {max(windows)} are resized to {window}.'
        return (f'Start: {self.path} ({describe(self.contents)}). Kept: {", ".join(kept)}. Begun anew: '
                f'{", ".join(new)}.{resized}')

    def _keeps_windows(self, recipe: Recipe) -> bool:
        return recipe.window_size is not None and self.window_size is not None and self.img_size == recipe.img_size


def read_start(path: str | os.PathLike) -> Start:
    """Read the checkpoint of a run that begins with one.

    Args:
        path (str | os.PathLike): A file that ``mmsimmim inspect`` knows.

    Raises:
        UserError: It cannot be read, or holds no encoder of ours.
    """
    path = os.path.abspath(os.fspath(path))
    file = read_file(path)
    img_size = file.notes.backbone.get('img_size') or file.contents.resolution
    decoder = file.ours.get('neck.decoder.0.weight')
    return Start(path, file.contents, img_size, file.notes.backbone.get('window_size'),
                 None if decoder is None else tuple(decoder.shape[:2]))


def _differ(one: Any, other: Any) -> bool:
    """Whether numbers differ, of which some may not be known."""
    if isinstance(one, list):
        return len(one) != len(other) or any(_differ(*pair) for pair in zip(one, other))
    return one is not None and one != other
