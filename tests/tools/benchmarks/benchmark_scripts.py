"""The scripts of tools/benchmarks as modules."""

import importlib
import sys
from types import ModuleType


def load_script(name: str) -> ModuleType:
    """A script as a module; ``name`` is its place below ``tools/benchmarks``, such as ``step.throughput``."""
    path = list(sys.path)
    module = importlib.import_module(f'tools.benchmarks.{name}')
    sys.path[:] = path
    return module
