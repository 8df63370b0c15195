"""Fault: MMEngine looks for configs such as ``'mmdet::...'`` in a table of distributions that does not hold here.

``_base_`` and ``mmengine.hub.get_config`` look a package up in ``MODULE2PACKAGE``. The table has no ``mmsimmim``, and
names distributions of upstream only: under the maintained fork ``mmseg::`` is not found, and ``get_config`` would have
pip write ``mmsegmentation`` over the fork's files. Both read all metafiles of a package for each base before they look
whether the file is there, and would look up what a base ``'mmsimmim::...'`` names in that scope alone, though our
configs are for the scope of a framework.

Repair: the table has ``mmsimmim`` and the distributions of the family that is installed; a file that is there is taken,
and one that is not is told with names that are like it. Bases of ours read as if they were named by their path.
"""

import difflib
from functools import wraps
from pathlib import Path
from types import ModuleType

from mmsimmim.compat.import_hook import after_import
from mmsimmim.compat.stacks import MODULES, find_installed, stack_in_use

SELF = 'mmsimmim'
FOLDER = str(Path(__file__).parents[1])
TABLE = 'mmengine.config.utils'
# Modules of MMEngine that define the look-ups, or have them by name.
USERS = (TABLE, 'mmengine.config.config', 'mmengine.hub.hub')


def apply() -> None:
    """Complete the table, and replace MMEngine's look-ups, when they are imported."""
    after_import(TABLE, _complete)
    for name in USERS:
        after_import(name, _replace)
    after_import('mmengine.config.config', _leave_scope)


def _complete(utils: ModuleType) -> None:
    stack = stack_in_use({module: find_installed(module) for module in MODULES})
    for module, requirement in stack.packages.items():
        if module in utils.MODULE2PACKAGE:
            utils.MODULE2PACKAGE[module] = requirement.name
    utils.MODULE2PACKAGE[SELF] = SELF


def _replace(module: ModuleType) -> None:
    for name, wrap in WRAPPERS.items():
        function = vars(module).get(name)
        if function is not None and not hasattr(function, '__wrapped__'):
            setattr(module, name, wrap(function))


def _get_installed_path(original):
    """Of this package the folder that was imported, which another one in the metadata may not be."""

    @wraps(original)
    def get_installed_path(package: str) -> str:
        return FOLDER if package == SELF else original(package)

    return get_installed_path


def _get_external_cfg_path(original):
    """Of a file that has no entry in a metafile the original reads all of them; here it is looked for first."""

    @wraps(original)
    def get_external_cfg_path(package_path: str, cfg_file: str) -> str:
        configs = _configs(package_path)
        if not configs.is_dir():
            return original(package_path, cfg_file)
        if not (configs / cfg_file).is_file():
            raise ValueError(f'{configs} has no {cfg_file}')  # MMEngine goes on to the last place where it looks
        return str(configs / cfg_file)

    return get_external_cfg_path


def _get_cfg_metainfo(original):
    @wraps(original)
    def get_cfg_metainfo(package_path: str, cfg_path: str) -> dict:
        if not _configs(package_path).is_dir():
            raise FileNotFoundError(f'{package_path} has no folder .mim with configs: the package is on the path and '
                                    'not installed. Command: pip install -e FOLDER_OF_ITS_SETUP_PY')
        return original(package_path, cfg_path)

    return get_cfg_metainfo


def _get_external_cfg_base_path(original):
    """The last place where MMEngine looks, so that a name which is wrong ends here."""

    @wraps(original)
    def get_external_cfg_base_path(package_path: str, cfg_name: str) -> str:
        folder, package = _configs(package_path), Path(package_path).name
        if folder.is_dir() and not (folder / cfg_name).is_file():
            names = [path.relative_to(folder).as_posix() for path in folder.rglob('*.py')]
            similar = difflib.get_close_matches(cfg_name, names, 3)
            hint = ' Did you mean ' + ' or '.join(f'{package}::{name}' for name in similar) + '?' if similar else ''
            raise FileNotFoundError(f'{package} has no config {cfg_name} (looked in {folder}).{hint}')
        return original(package_path, cfg_name)

    return get_external_cfg_base_path


def _leave_scope(module: ModuleType) -> None:
    original = module.Config._get_cfg_path
    if hasattr(original, '__wrapped__'):
        return

    @wraps(original)
    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        path, scope = original(cfg_path, filename)
        return path, None if scope == SELF else scope

    module.Config._get_cfg_path = staticmethod(get_cfg_path)


def _configs(package_path: str) -> Path:
    package = Path(package_path)
    folder = package / '.mim' / 'configs'
    # A checkout of ours that is on the path has them beside the package.
    return folder if package.name != SELF or folder.is_dir() else package.parent / 'configs'


WRAPPERS = dict(
    get_installed_path=_get_installed_path,
    _get_external_cfg_path=_get_external_cfg_path,
    _get_cfg_metainfo=_get_cfg_metainfo,
    _get_external_cfg_base_path=_get_external_cfg_base_path,
)
