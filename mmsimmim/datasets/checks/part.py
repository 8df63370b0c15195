"""One dataset of a config, and its contents."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Part:
    """A dataset without its wrappers.

    Args:
        names (list[str]): Which loaders read it: 'train', 'val', 'test'.
        dataset (BaseDataset): Built, but not initialised.
        transforms (list[dict]): Its pipeline and those of its wrappers, nested ones included.
        metrics (list[dict]): Configs of the metrics that score it.
        usable (int | None): How many images its filters leave, set by its check. Defaults to None: all.
    """

    names: list[str]
    dataset: Any
    transforms: list[dict]
    metrics: list[dict]
    usable: int | None = None

    @property
    def title(self) -> str:
        """Its name in the report."""
        return ' and '.join(self.names)

    @property
    def training(self) -> bool:
        """Whether a model learns from it."""
        return 'train' in self.names

    @property
    def unlabelled(self) -> bool:
        """Whether its labels are never read, as in a test for an evaluation server."""
        return not self.training and bool(self.metrics) and all(metric.get('format_only') for metric in self.metrics)

    def add(self, name: str, transforms: list[dict], metrics: list[dict]) -> None:
        """Let another loader read the same data.

        Args:
            name (str): Which one.
            transforms (list[dict]): Its transforms.
            metrics (list[dict]): Its metrics.
        """
        self.names.append(name)
        self.transforms.extend(transforms)
        self.metrics.extend(metrics)

    def transform(self, name: str) -> list[dict]:
        """All transforms of a type, whatever its scope.

        Args:
            name (str): The type.

        Returns:
            list[dict]: Their configs.
        """
        return [one for one in self.transforms if str(one.get('type')).split('.')[-1] == name]


@dataclass
class Contents:
    """What a check has read of a dataset.

    Args:
        classes (list[str]): Names of its classes. Defaults to [].
        files (list[str]): Paths of its images, those that exist. Defaults to [].
        folder (str): The folder that they are in. Defaults to ''.
        listed (set[str]): Paths in that folder that belong to it. Defaults to set().
        on_disk (set[str]): Paths in that folder. Defaults to set().
        names (set[str]): Names of its images, if they are those that an annotation file gives. Defaults to set().
    """

    classes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    folder: str = ''
    listed: set[str] = field(default_factory=set)
    on_disk: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def unwrap(dataset: dict, outer: list[dict] | None = None) -> Iterator[tuple[dict, list[dict]]]:
    """Take wrappers, such as RepeatDataset, MultiImageMixDataset or ConcatDataset, from the config of a dataset.

    Args:
        dataset (dict): The config.
        outer (list[dict], optional): Transforms of the wrappers around it. Defaults to None.

    Yields:
        tuple[dict, list[dict]]: The config of a dataset inside, and all transforms that its samples go through.
    """
    transforms = [*(outer or []), *_flatten(dataset.get('pipeline') or [])]
    inner = dataset.get('dataset', dataset.get('datasets'))
    if inner is None and dataset:
        yield dataset, transforms
    for one in inner if isinstance(inner, (list, tuple)) else [inner] if inner else []:
        yield from unwrap(one, transforms)


def _flatten(transforms: list) -> Iterator[dict]:
    for one in transforms:
        if isinstance(one, dict):
            yield one
            yield from _flatten(one.get('transforms') or [])
        elif isinstance(one, (list, tuple)):
            yield from _flatten(one)


def list_metrics(evaluator: dict | list | None) -> list[dict]:
    """The metrics of an evaluator.

    Args:
        evaluator (dict | list, optional): A metric, several, or an evaluator with ``metrics``.

    Returns:
        list[dict]: Their configs, the very objects.
    """
    if isinstance(evaluator, dict) and 'metrics' in evaluator:
        evaluator = evaluator['metrics']
    return [evaluator] if isinstance(evaluator, dict) else list(evaluator or [])


def classes_of(dataset: Any) -> list[str]:
    """The classes of a dataset, wrapped or not.

    Args:
        dataset (BaseDataset): With ``metainfo``, if it knows them.

    Returns:
        list[str]: Their names; none where it does not say them, or tells things and stuff apart, which heads then
        count separately.
    """
    metainfo = getattr(dataset, 'metainfo', None) or {}
    classes = metainfo.get('classes') or ()
    return [] if 'thing_classes' in metainfo else [classes] if isinstance(classes, str) else list(classes)
