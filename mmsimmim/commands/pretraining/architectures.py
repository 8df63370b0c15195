"""Encoders by the name that a person gives: ``swin-tiny``, ``swinv2-base``, ``vit-small``."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ...architectures import FAMILIES
from ...errors import UserError
from ...recipes import Encoder
from ...recipes.explain import MOST_PARAMETERS

# What everybody else calls ViT-Ti and ViT-S; mmpretrain's 'small' is another one.
VIT_NAMES = {'tiny': 'deit-tiny', 'small': 'deit-small'}
# Of those that are chosen where none is asked for, and what is trained on a CPU in a day.
BY_DEFAULT = ('swin-atto', 'swin-femto', 'swin-nano', 'swin-tiny')
ON_CPU = BY_DEFAULT[:2]


class Architecture(NamedTuple):
    """An encoder.

    Attributes:
        name (str): As it was given.
        family (str): 'swin', 'swinv2' or 'vit'.
        arch (str): What the backbone's ``arch`` is.
        changes (Mapping[str, Any]): Numbers of it that are others.
        patch_size (int, optional): Side of a token of the first stage, in pixels; None as usual.
    """

    name: str
    family: str
    arch: str
    changes: Mapping[str, Any] = MappingProxyType({})
    patch_size: int | None = None

    @property
    def encoder(self) -> Encoder:
        """What a recipe depends on.

        Raises:
            UserError: Its numbers are none of an encoder.
        """
        return Encoder.of(self.family, {**FAMILIES[self.family][self.arch], **self.changes}, self.patch_size)

    @property
    def line(self) -> str:
        """What a person should know of it."""
        return f'Encoder: {self.name}, {self.encoder.parameters / 1e6:.1f} million weights.'

    @property
    def config(self) -> str:
        """The shipped config that pre-trains it on a folder."""
        return f'pretrain/sized/simmim_{self.family}_amp-coslr_folder.py'

    @property
    def options(self) -> dict[str, Any]:
        """As variables and settings of that config."""
        encoder = self.encoder
        options = dict(arch=self.arch, in_channels=encoder.channels, model_patch_size=encoder.patch_size)
        if self.family != 'vit':
            options['encoder_stride'] = encoder.stride
        if 'depths' in self.changes:
            options['model.backbone.out_indices'] = (len(self.changes['depths']) - 1, )
        return {**options, **{f'model.backbone.arch.{key}': value for key, value in self.changes.items()}}


def architecture(name: str) -> Architecture:
    """The encoder of a name.

    Raises:
        UserError: There is none.
    """
    family, _, size = name.lower().replace('_', '-').partition('-')
    arch = VIT_NAMES.get(size, size) if family == 'vit' else size
    if arch not in FAMILIES.get(family, {}):
        similar = difflib.get_close_matches(name, names(), 3)
        hint = f'Did you mean {" or ".join(similar)}? ' if similar else ''
        raise UserError(f'There is no encoder {name!r}. {hint}There are {", ".join(names())}.')
    return Architecture(name, family, arch)


def default_architecture(num_images: int, on_cpu: bool) -> Architecture:
    """The largest of ours that so many images and the device are enough for.

    Args:
        num_images (int): To train on.
        on_cpu (bool): Whether there is no other device.
    """
    known = [architecture(name) for name in (ON_CPU if on_cpu else BY_DEFAULT)]
    enough = [one for one in known if one.encoder.parameters <= MOST_PARAMETERS * num_images]
    return enough[-1] if enough else known[0]


def names() -> list[str]:
    """All names that :func:`architecture` takes, smaller encoders first within a family."""
    return [f'{family}-{shown_name(family, size)}' for family, sizes in FAMILIES.items() for size in sizes
            if architecture(f'{family}-{shown_name(family, size)}').arch == size]


def shown_name(family: str, size: str) -> str:
    """A name of ``arch`` as a person gives it: 'small' of a ViT is DeiT's."""
    return {arch: name for name, arch in VIT_NAMES.items()}.get(size, size) if family == 'vit' else size
