"""The heading of every benchmark (machine, versions, date), and its tables."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmsimmim.compat.stacks import MODULES, ONEDL, UPSTREAM
from mmsimmim.errors import UserError

# The packages of the maintained fork by those of upstream that they are in the place of.
TWINS = {ONEDL.packages[module].name: UPSTREAM.packages[module].name for module in MODULES}
PACKAGES = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmcv-lite', 'mmpretrain', 'mmdet', 'mmsegmentation', *TWINS,
            'transformers', 'mmsimmim')
# What makes a CPU's bfloat16 faster than its float32.
CPU_FLAGS = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16')


def choose_device(device: str | None = None) -> str:
    """What a benchmark runs on.

    Args:
        device (str, optional): As given to ``--device``. Defaults to a GPU of CUDA if there is one, else the CPU.

    Returns:
        str: The device.

    Raises:
        UserError: It is neither the CPU nor a GPU of CUDA that is there.
    """
    if device == 'cpu':
        return device
    match = re.fullmatch(r'cuda(?::(\d+))?', device or 'cuda')
    if not match:
        raise UserError(f'--device: {device!r} is none that can be timed; give cpu, cuda or cuda:N.')
    import torch

    if device is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(match[1] or 0) >= count:
        raise UserError(f'--device {device}: PyTorch {torch.__version__} finds {count} GPUs of CUDA here; give cpu'
                        f'{f" or one of cuda:0 to cuda:{count - 1}" if count else ""}.')
    return device


def describe_machine(device: str) -> str:
    """The machine in a line: the GPU, or the CPU with its threads and instruction sets.

    Args:
        device (str): ``'cpu'``, or a device of CUDA.
    """
    import torch

    if torch.device(device).type == 'cuda':
        properties = torch.cuda.get_device_properties(device)
        return f'{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}'
    name, flags = read_cpu()
    sets = ', '.join(flag for flag in CPU_FLAGS if flag in flags)
    return f'{name}, {torch.get_num_threads()} of {os.cpu_count()} cores' + (f' ({sets})' if sets else '')


def read_cpu(path: Path = Path('/proc/cpuinfo')) -> tuple[str, set[str]]:
    """Name and instruction sets of the CPU as Linux lists them; elsewhere its architecture alone.

    Args:
        path (Path): Where Linux lists them.

    Returns:
        tuple[str, set[str]]: Name, and flags.
    """
    if not path.exists():
        return f'{platform.machine()} CPU', set()
    lines = [line.partition(':') for line in path.read_text().splitlines()]
    entries = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    return entries.get('model name', f'{platform.machine()} CPU'), set(entries.get('flags', '').split())


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of those packages that are installed."""
    import torch

    found = dict(python=platform.python_version())
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, 'torch': torch.__version__}  # which says what it was built for


def provenance(device: str) -> dict:
    """``machine``, ``versions`` and ``date``, for the JSON file of a benchmark."""
    return dict(machine=describe_machine(device), versions=versions(), date=date.today().isoformat())


def heading(origin: dict, packages: Iterable[str] = PACKAGES) -> str:
    """What :func:`provenance` found, as the line above a table; of the packages only these, or their twins."""
    named = {'python': 'Python', 'mmengine': 'MMEngine'}
    listed = ', '.join(f'{named.get(name, name)} {number}' for name, number in origin['versions'].items()
                       if TWINS.get(name, name) in ('python', *packages))
    return f"{origin['machine']}; {listed}; {origin['date']}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, ['---'] * len(head), *rows))
