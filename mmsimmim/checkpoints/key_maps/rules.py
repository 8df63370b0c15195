"""The rules of a key map.

A map lists parameter names and layouts of another code base. Each rule applies in both directions. The names
of the encoder have no prefix on either side; those of a decoder or classifier are full names.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor


class Layout(NamedTuple):
    """The layout of tensors, there and here.

    Args:
        to_ours (Callable): Takes their tensors, returns a tuple of ours, with one element.
        to_theirs (Callable): Takes our tensor, returns a tuple of theirs.
    """

    to_ours: Callable[..., tuple[Tensor, ...]]
    to_theirs: Callable[..., tuple[Tensor, ...]]


def _merging_to_ours(tensor: Tensor) -> tuple[Tensor]:
    """Last axis from four tokens one after another (column by column) to channels of interleaved tokens (by row)."""
    return tensor.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :].transpose(-1, -2).flatten(-2),


def _merging_to_theirs(tensor: Tensor) -> tuple[Tensor]:
    return tensor.unflatten(-1, (-1, 4)).transpose(-1, -2)[..., [0, 2, 1, 3], :].flatten(-2),


SAME = Layout(lambda tensor: (tensor, ), lambda tensor: (tensor, ))
MERGING = Layout(_merging_to_ours, _merging_to_theirs)
QKV = Layout(lambda *parts: (torch.cat(parts), ), lambda fused: fused.chunk(3))


class Rule(NamedTuple):
    """One line of a key map; see :mod:`mmsimmim.checkpoints.templates`.

    Args:
        theirs (str | tuple[str, ...]): Template of their name, or of the names of several tensors that are joined here.
        ours (str): Template of our name, which is OpenMMLab's.
        layout (Layout): Change of layout. Defaults to none.
    """

    theirs: str | tuple[str, ...]
    ours: str
    layout: Layout = SAME

    @property
    def sources(self) -> tuple[str, ...]:
        """``theirs`` as a tuple."""
        return (self.theirs, ) if isinstance(self.theirs, str) else self.theirs


def below(theirs: str, ours: str, rules: Iterable[Rule]) -> list[Rule]:
    """Rules for what lies below a module."""
    return [Rule(tuple(theirs + name for name in rule.sources), ours + rule.ours, rule.layout) for rule in rules]


class Step(NamedTuple):
    """A rule in one direction: one tensor to one, several to one, or one to several."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    change: Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True, eq=False)
class Form:
    """One of the forms in which a code base saves an encoder.

    Args:
        title (str): What such a file is, for people.
        family (str): The code base.
        encoder (str): ``'swin'``, ``'swin_v2'`` or ``'vit'``.
        prefix (str): The prefix of the names of the encoder.
        rules (Sequence[Rule]): Of the encoder. Of several with the same name of ours the first is written; the others
            are only read.
        rest (Sequence[Rule]): Of decoder and classifier, full names.
        buffers (Sequence[str]): Templates of names of buffers in the encoder that are not learned; ignored.
        others (tuple[str, ...]): Prefixes of full names of parts that are not converted; ignored.
        lacks (Sequence[str]): Templates of our full names that the form has no place for; not written.
    """

    title: str
    family: str
    encoder: str
    prefix: str
    rules: Sequence[Rule]
    rest: Sequence[Rule] = ()
    buffers: Sequence[str] = ()
    others: tuple[str, ...] = ()
    lacks: Sequence[str] = ()

    @cached_property
    def reading(self) -> list[Step]:
        """All rules, from their full names to ours."""
        return [Step(rule.sources, (rule.ours, ), rule.layout.to_ours) for rule in self._all_rules()]

    @cached_property
    def writing(self) -> list[Step]:
        """All rules, from our full names to theirs."""
        return [Step((rule.ours, ), rule.sources, rule.layout.to_theirs) for rule in self._all_rules()]

    @cached_property
    def read_over(self) -> list[str]:
        """Templates of the buffers' full names."""
        return [self.prefix + name for name in self.buffers]

    def _all_rules(self) -> list[Rule]:
        return [*below(self.prefix, 'backbone.', self.rules), *self.rest]


MASK_TOKEN = 'backbone.mask_token'
DECODER = 'neck.decoder.0.{param}'
CLASSIFIER = 'head.fc.{param}'
