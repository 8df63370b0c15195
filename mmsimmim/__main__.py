"""The commands without a checkout: ``python -m mmsimmim COMMAND ...``."""

import ast
import difflib
import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).with_name('commands')


def main() -> None:
    """Run the command that the first argument names, with the rest; no other command is imported."""
    name, *arguments = sys.argv[1:] or ['--help']
    if name in ('-h', '--help'):
        print(_usage())
        return
    module = name.replace('-', '_')
    if module not in _commands():
        similar = difflib.get_close_matches(module, _commands(), 1)
        sys.exit(f'error: there is no command {name}.' + (f' Did you mean {similar[0]}?' if similar else '')
                 + ' Without arguments they are listed.')
    sys.argv = [f'python -m mmsimmim {module}', *arguments]
    importlib.import_module(f'mmsimmim.commands.{module}').main()


def _commands() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob('*.py') if path.stem != '__init__')


def _usage() -> str:
    lines = ['usage: python -m mmsimmim COMMAND [arguments]', '', 'Commands, each with --help:']
    width = max(map(len, _commands()))
    for name in _commands():
        text = ast.get_docstring(ast.parse((FOLDER / f'{name}.py').read_text(encoding='utf-8')))
        lines.append(f'  {name:{width}}  {text.splitlines()[0]}')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
