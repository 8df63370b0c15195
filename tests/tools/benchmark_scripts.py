"""The scripts of tools/benchmarks as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / 'tools' / 'benchmarks'


def load_script(name: str) -> ModuleType:
    """A script as a module; importing it leaves the module path as it was."""
    path = list(sys.path)
    spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module
