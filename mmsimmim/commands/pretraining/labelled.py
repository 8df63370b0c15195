"""Labelled images on which the frozen features of a run are probed, from before its first step on."""

import math
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from ...datasets import ImageFolder
from ...errors import UserError, shown, why_missing
from ...recipes import Recipe
from ...registry import DATASETS
from .survey import COPIES, Survey, same_content

# Names of the two sides; a folder without them is divided.
TRAIN, VAL = SIDES = 'train', 'val'
VALS = (VAL, 'validation')
VAL_RATIO = 0.2
# Images at a moment, of both sides: at most, and however short the run is.
MOST, LEAST = 3000, 400
# Images to fit to, where a class is so small that its one image is a large share.
TOO_MANY = 20_000
# Images probed, for one that is trained on: a forward pass costs a third of a step.
SHARE = 0.3
# Of each side: with fewer a score says nothing, and below the third number it deserves a warning.
FEWEST_TRAIN, FEWEST_VAL, FEW_VAL = 20, 10, 100
NEIGHBOURS = 20


class Labelled(NamedTuple):
    """A labelled folder.

    Attributes:
        sides (dict[str, dict[str, Any]]): Config of the dataset of 'train', whose labels the probes are fitted to, and
            of 'val', on which they are measured; without a pipeline.
        counts (dict[str, list[int]]): Images of each class, of both.
        divided (bool): Whether the folder has only classes, of whose images one in five is 'val'.
        leaked (int): Images of 'val' that are trained on, without their labels; None if there are too many to look.
    """

    sides: dict[str, dict[str, Any]]
    counts: dict[str, list[int]]
    divided: bool
    leaked: int | None

    def plan(self, recipe: Recipe, devices: int, interval: int) -> tuple[dict[str, Any], list[str]]:
        """How the features are probed in a run.

        Args:
            recipe (Recipe): Of the run, whose length limits how many images are probed.
            devices (int): Its processes.
            interval (int): Iterations between two moments.

        Returns:
            tuple[dict[str, Any], list[str]]: The hook for its config, and what a person should know of it.
        """
        moments = 1 + math.ceil(recipe.max_iters / interval)
        trained = recipe.max_iters * recipe.device_batch * devices
        fractions = self._fractions(min(MOST, max(LEAST, SHARE * trained / moments)))
        sides = {side: dict(settings, fraction=fractions[side]) for side, settings in self.sides.items()}
        fewest = sum(int(fractions[TRAIN] * count) for count in self.counts[TRAIN])
        hook = dict(type='mmsimmim.FeatureProbeHook', interval=interval, by_epoch=False, at_start=True, **sides,
                    k=min(NEIGHBOURS, fewest))
        return hook, self._lines(fractions, moments)

    def _fractions(self, size: float) -> dict[str, float]:
        """Share of each class that is taken of either side, for so many images of both: at least one to fit to."""
        train, val = (sum(self.counts[side]) for side in SIDES)
        num_train = min(train, max(size / 2, size - val))
        smallest = min(self.counts[TRAIN])
        taken = max(num_train, math.ceil(train / smallest))
        if taken > TOO_MANY:
            name = self.sides[TRAIN]['metainfo']['classes'][self.counts[TRAIN].index(smallest)]
            raise UserError(f'--labelled {shown(self.sides[TRAIN]["data_root"])}: the class {shown(name)} has '
                            f'{smallest} image{"s" * (smallest > 1)} of {train:,} to fit to; the same share of each '
                            f'class, at least one image, is {taken:,}, too many to probe. Add some, or take the class '
                            'away.')
        return {TRAIN: _share(taken, train), VAL: _share(size - num_train, val)}

    def _lines(self, fractions: dict[str, float], moments: int) -> list[str]:
        counts = {side: round(fractions[side] * sum(self.counts[side])) for side in SIDES}
        (fitted, to_fit), (probed, to_probe) = ((f'{counts[side]:,}', f'{sum(self.counts[side]):,}') for side in SIDES)
        taken = [f'{number} of {all_of_them}' if number != all_of_them else number
                 for number, all_of_them in ((fitted, to_fit), (probed, to_probe))]
        rule = ' The folder is divided by a hash of the paths, one in five to classify.' if self.divided else ''
        return [f'Labelled: {len(self.counts[TRAIN])} classes, {taken[0]} images to fit to and {taken[1]} to classify, '
                f'on which frozen features are probed before the first step and {moments - 1} times after; that '
                f'changes no weight.{rule}', *self._warnings(counts[VAL])]

    def _warnings(self, probed: int) -> Iterable[str]:
        if probed < FEW_VAL:
            yield (f'WARNING: {probed} labelled images to classify are few: one of them is {100 / probed:.2g} percent, '
                   'and differences of some such steps are chance.')
        if self.leaked:
            yield (f'WARNING: {self.leaked:,} of the {sum(self.counts[VAL]):,} labelled images to classify are trained '
                   'on, too, without their labels: scores may be better than on new images. Leave them out of --data '
                   'to know.')


def _share(taken: float, all_of_them: int) -> float:
    return min(1., round(taken / all_of_them + 5e-7, 6))


def read_labelled(folder: str | os.PathLike, found: Survey) -> Labelled:
    """Look at a labelled folder.

    Args:
        folder (str | os.PathLike): With ``train/CLASS/...`` and ``val/CLASS/...`` (or ``validation``), or with
            ``CLASS/...`` alone, of which a hash of each path takes one image in five to be classified.
        found (Survey): The images that are trained on.

    Raises:
        UserError: There is no such folder, it has fewer than two classes, classes without images to fit to, or too few
            images.
    """
    folder = os.path.abspath(os.fspath(folder))
    if not os.path.isdir(folder):
        why = 'is no folder' if os.path.exists(folder) else why_missing(folder)
        raise UserError(f'--labelled {shown(folder)} {why}. Give one with a folder of images for each class.')
    val = next((name for name in VALS if os.path.isdir(os.path.join(folder, name))), None)
    divided = val is None or not os.path.isdir(os.path.join(folder, TRAIN))
    if divided:
        sides = {side: dict(data_root=folder, split=side, val_ratio=VAL_RATIO) for side in SIDES}
    else:
        sides = {side: dict(data_root=os.path.join(folder, name)) for side, name in ((TRAIN, TRAIN), (VAL, val))}
    classes = _classes(sides[TRAIN], folder)
    sides = {side: dict(type='mmsimmim.LabelledImageFolder', metainfo=dict(classes=classes), **settings)
             for side, settings in sides.items()}
    datasets = {side: DATASETS.build(settings) for side, settings in sides.items()}
    counts = {side: _count(dataset, len(classes)) for side, dataset in datasets.items()}
    _require_enough(folder, classes, counts)
    return Labelled(sides, counts, divided, _leaked(datasets[VAL], found))


def _classes(settings: dict[str, Any], folder: str) -> list[str]:
    root = settings['data_root']
    try:
        classes = list(DATASETS.build(dict(type='mmsimmim.LabelledImageFolder', data_root=root)).metainfo['classes'])
    except UserError as error:
        raise UserError(f'--labelled {shown(folder)} has no classes, folders with images. Sort the images into one '
                        f'folder per class, and these into {TRAIN}/ and {VAL}/ where they are divided.') from error
    if len(classes) < 2:
        raise UserError(f'--labelled {shown(folder)} has a single class, {shown(classes[0])}: there is nothing to tell '
                        f'apart. Give a folder with one folder per class, or with {TRAIN}/CLASS and {VAL}/CLASS.')
    return classes


def _count(dataset: ImageFolder, num_classes: int) -> list[int]:
    counts = Counter(dataset.get_data_info(index)['gt_label'] for index in range(len(dataset)))
    return [counts[label] for label in range(num_classes)]


def _require_enough(folder: str, classes: list[str], counts: dict[str, list[int]]) -> None:
    bare = [name for name, count in zip(classes, counts[TRAIN]) if not count]
    if bare:
        raise UserError(f'--labelled {shown(folder)}: the class {shown(bare[0])} has too few images, none to fit to '
                        'after one in five is kept to be classified. Add some, or take the class away.')
    train, val = sum(counts[TRAIN]), sum(counts[VAL])
    if train < FEWEST_TRAIN or val < FEWEST_VAL:
        raise UserError(f'--labelled {shown(folder)} has too few images: {train} to fit to and {val} to classify, '
                        f'where a score needs {FEWEST_TRAIN} and {FEWEST_VAL}. Add some, or leave out --labelled.')


def _leaked(val: ImageFolder, found: Survey) -> int | None:
    """How many images of 'val' are, byte for byte, among those trained on."""
    if found.num_images > COPIES:
        return None
    settings = {key: value for key, value in found.options.items() if key != 'dataset_type'}
    training = DATASETS.build(dict(settings, type=found.options['dataset_type'], split='train'))
    return sum(any(dataset is training for dataset, _ in group) * sum(dataset is val for dataset, _ in group)
               for group in same_content([training, val]))
