"""Where the configs that come with the package lie."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def configs_folder() -> Path:
    """The folder of the shipped configs: beside the installed package, or in the checkout."""
    installed = PACKAGE / '.mim' / 'configs'
    return installed.resolve() if installed.is_dir() else PACKAGE.parent / 'configs'
