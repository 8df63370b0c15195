"""Compiles the operators that have a stand-in from a source of mmcv, where it lies, for a CPU."""

import email
import os
import re
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmsimmim.errors import UserError

FOLDER = Path(__file__).resolve().parent
OPERATORS = (
    'nms',
    'softnms',
    'roi_align_forward',
    'roi_align_backward',
    'deform_conv_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'modulated_deform_conv_forward',
    'modulated_deform_conv_backward',
)
FAMILIES = ('nms', 'roi_align', 'deform_conv', 'modulated_deform_conv')  # the files that define them


def find_source(given: Path | None, scratch: Path) -> Path:
    """The folder of the package ``mmcv`` with ``ops/csrc`` in it.

    Args:
        given (Path, optional): An unpacked source or its archive (``.tar.gz``); the installed mmcv or mmcv-lite, which
            brings its sources, if omitted.
        scratch (Path): Where an archive is unpacked.

    Raises:
        UserError: If there are no sources of operators.
    """
    if given is None:
        spec = find_spec('mmcv')
        if spec is None:
            raise UserError('mmcv is not installed: name a source of it with --source')
        candidates = [Path(folder) for folder in spec.submodule_search_locations]
    elif given.is_file():
        with tarfile.open(given) as archive:
            archive.extractall(scratch, filter='data')
        candidates = [path.parent.parent for path in scratch.glob('*/mmcv/ops/csrc')]
    elif not given.is_dir():
        raise UserError(f'--source {given} does not exist')
    else:
        candidates = [given, given / 'mmcv']
    for folder in candidates:
        if (folder / 'ops' / 'csrc' / 'pytorch' / 'pybind.cpp').is_file():
            return folder
    raise UserError(
        f'no mmcv/ops/csrc/pytorch/pybind.cpp in {given or candidates[0]}: --source takes a source of mmcv, unpacked '
        "or packed, as 'pip download --no-deps --no-binary :all: --no-build-isolation mmcv==2.1.0' fetches it"
    )


def source_version(package: Path) -> str:
    """The distribution and version of a source, from the metadata beside it; ``mmcv`` alone if there are none."""
    for metadata in [package.parent / 'PKG-INFO', *package.parent.glob('*mmcv*.dist-info/METADATA')]:
        if metadata.is_file():
            fields = email.message_from_string(metadata.read_text())
            return f'{fields["Name"]} {fields["Version"]}'
    return 'mmcv'


def bindings(pybind: str, names: tuple[str, ...] = OPERATORS) -> str:
    """The text of a small ``pybind.cpp`` with the declarations and definitions of some operators only.

    Args:
        pybind (str): The text of mmcv's.
        names (tuple[str]): The operators.

    Raises:
        UserError: If one of them is not in it.
    """
    declarations, definitions = [], []
    for name in names:
        declaration = re.search(rf'^\w[\w:<> ]*\b{name}\([^;]*\);', pybind, re.MULTILINE)
        definition = re.search(rf'm\.def\("{name}",.*?\);', pybind, re.DOTALL)
        if declaration is None or definition is None:
            raise UserError(f'the operator {name!r} is not in the pybind.cpp of this mmcv')
        declarations.append(declaration.group())
        definitions.append(definition.group())
    return '\n'.join([
        '#include <torch/extension.h>',
        '#include "pytorch_cpp_helper.hpp"',
        *declarations,
        'void define_gpu_kernels(pybind11::module_ &m);',
        'PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {',
        *definitions,
        'define_gpu_kernels(m);',
        '}\n',
    ])


def build(package: Path, folder: Path, verbose: bool = False) -> ModuleType:
    """The compiled operators as a module with the functions of ``mmcv._ext``.

    The kernels of focal loss, of multi-scale deformable attention and the test of overlap of the NMS exist for GPUs
    only: they are compiled as plain loops of one thread (``gpu_on_cpu/``). The last is called ``nms_gpu``.

    Args:
        package (Path): The folder ``mmcv`` of a source.
        folder (Path): Where objects go; a second build in the same folder compiles only what has changed.
        verbose (bool): Print the compiler's output. Default: False.
    """
    from torch.utils.cpp_extension import load

    csrc = package / 'ops' / 'csrc'
    folder.mkdir(parents=True, exist_ok=True)
    texts = {'bindings': bindings((csrc / 'pytorch' / 'pybind.cpp').read_text())}
    for family in FAMILIES:
        # The dispatching file and the CPU's have the same name, and so would their objects: one unit includes both.
        texts[family] = ''.join(f'#include "{csrc / part / family}.cpp"\n' for part in ('pytorch', 'pytorch/cpu'))
    sources = [_write(folder / f'{name}.cpp', text) for name, text in texts.items()]
    sources.append(FOLDER / 'gpu_on_cpu' / 'kernels.cpp')
    # ninja from PyPI lies beside the interpreter, which need not be on the path.
    os.environ['PATH'] = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    return load(
        name='compiled_mmcv_ops',
        sources=[str(source) for source in sources],
        extra_include_paths=[str(FOLDER / 'gpu_on_cpu'), str(csrc / 'common'), str(csrc / 'common' / 'cuda')],
        extra_cflags=['-O2', '-w'],
        build_directory=str(folder),
        with_cuda=False,
        verbose=verbose,
    )


def _write(path: Path, text: str) -> Path:
    """Writes a file unless it has this text, so that its object stays valid."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
    return path
