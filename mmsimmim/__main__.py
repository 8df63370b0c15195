"""The commands, without a checkout: ``mmsimmim COMMAND ...``, or ``python -m mmsimmim COMMAND ...``."""

import ast
import difflib
import importlib
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).with_name('commands')
# What a person types -> the module, which bears the name of the script in tools/. Both are understood.
SHORT_NAMES = dict(
    check='check_dataset',
    convert='convert_checkpoint',
    curves='plot_curves',
    flops='get_flops',
    inspect='inspect_checkpoint',
    masks='mask_gallery',
    memory='training_memory',
    pack='pack_images',
    prepare='prepare_dataset',
    probe='probe_features',
    reconstruct='visualize_reconstruction',
)
# In the order in which a person needs them; the others follow by name.
FIRST = ('pretrain', 'train', 'test', 'reconstruct', 'probe', 'inspect', 'convert', 'check', 'pack', 'configs')


def main() -> None:
    """Run the command that the first argument names, with the rest; no other command is imported."""
    name, *arguments = sys.argv[1:] or ['--help']
    if name in ('-h', '--help'):
        print(_usage())
        return
    if name in ('-V', '--version'):
        print(f'mmsimmim {_version()}')
        return
    module = _find(name)
    if os.getcwd() not in sys.path:  # `python -m` has it in there: modules of the user's that configs import
        sys.path.append(os.getcwd())
    sys.argv = [f'{_program()} {name}', *arguments]
    importlib.import_module(f'mmsimmim.commands.{module}').main()


def _find(name: str) -> str:
    module = name.replace('-', '_')
    module = SHORT_NAMES.get(module, module)
    if module not in _modules():
        similar = difflib.get_close_matches(name, [*_names(), *_modules()], 1)
        sys.exit(f'error: there is no command {name}.' + (f' Did you mean {similar[0]}?' if similar else '')
                 + ' Without arguments they are listed.')
    return module


def _modules() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob('*.py') if path.stem != '__init__')


def _names() -> list[str]:
    """One name of each command: the short one, if there is one."""
    short = {module: name for name, module in SHORT_NAMES.items()}
    names = {short.get(module, module) for module in _modules()}
    return [*FIRST, *sorted(names.difference(FIRST))]


def _program() -> str:
    return 'mmsimmim' if os.path.basename(sys.argv[0]).startswith('mmsimmim') else 'python -m mmsimmim'


def _version() -> str:
    from . import __version__
    return __version__


def _usage() -> str:
    lines = [f'usage: {_program()} COMMAND [arguments]', '', 'Commands, each with --help:']
    width = max(map(len, _names()))
    for name in _names():
        text = ast.get_docstring(ast.parse((FOLDER / f'{SHORT_NAMES.get(name, name)}.py').read_text(encoding='utf-8')))
        lines.append(f'  {name:{width}}  {text.splitlines()[0]}')
    return '\n'.join([*lines, '', 'The names of the scripts in tools/ are understood as well (inspect_checkpoint, '
                      'get_flops, ...).'])


if __name__ == '__main__':
    main()
