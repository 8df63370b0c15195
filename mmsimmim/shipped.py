"""Where the configs that come with the package lie, and what they are called."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def configs_folder() -> Path:
    """The folder of the shipped configs: beside the installed package, or in the checkout."""
    installed = PACKAGE / '.mim' / 'configs'
    return installed.resolve() if installed.is_dir() else PACKAGE.parent / 'configs'


def config_name(path: Path) -> str:
    """How a config is given to a command: ``mmsimmim::...`` if it came with an installed package, else its path."""
    folder = configs_folder()
    if folder.parent.name == '.mim' and path.is_relative_to(folder):
        return f'mmsimmim::{path.relative_to(folder).as_posix()}'
    return os.path.relpath(path)
