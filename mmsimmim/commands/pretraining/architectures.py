"""Encoders by the name that a person gives: ``swin-tiny``, ``swinv2-base``, ``vit-small``."""

import difflib
from typing import Any, NamedTuple

from ...architectures import SWIN, SWIN_V2, VIT
from ...errors import UserError

# Family -> the sizes, and the config that pre-trains it on a folder.
FAMILIES = {'swin': SWIN, 'swinv2': SWIN_V2, 'vit': VIT}
# What everybody else calls ViT-Ti and ViT-S; mmpretrain's 'small' is another one.
VIT_NAMES = {'tiny': 'deit-tiny', 'small': 'deit-small'}


class Architecture(NamedTuple):
    """An encoder.

    Attributes:
        name (str): As it was given.
        family (str): 'swin', 'swinv2' or 'vit'.
        arch (str): What the backbone's ``arch`` is.
        settings (dict[str, Any]): Its sizes.
    """

    name: str
    family: str
    arch: str
    settings: dict[str, Any]

    @property
    def patch_size(self) -> int:
        """Side of a token of the first stage, in pixels."""
        return 16 if self.family == 'vit' else 4

    @property
    def stride(self) -> int:
        """Side of a token of the last stage, in pixels."""
        return self.patch_size if self.family == 'vit' else 4 * 2**(len(self.settings['depths']) - 1)

    @property
    def channels(self) -> int:
        """Channels of the last stage."""
        width = self.settings['embed_dims']
        return width if self.family == 'vit' else width * 2**(len(self.settings['depths']) - 1)

    @property
    def config(self) -> str:
        """The shipped config that pre-trains it on a folder."""
        return f'pretrain/sized/simmim_{self.family}_amp-coslr_folder.py'


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
    return Architecture(name, family, arch, FAMILIES[family][arch])


def names() -> list[str]:
    """All names that :func:`architecture` takes, smaller encoders first within a family."""
    hidden = {('vit', size) for size in [*VIT_NAMES.values()]}
    return [f'{family}-{_shown(family, size)}' for family, sizes in FAMILIES.items() for size in sizes
            if (family, _shown(family, size)) not in hidden]


def _shown(family: str, size: str) -> str:
    return {arch: name for name, arch in VIT_NAMES.items()}.get(size, size) if family == 'vit' else size
