"""python -m mmsimmim finds the commands, and imports the named one alone."""

import importlib
import sys
from pathlib import Path

import pytest

import mmsimmim
from mmsimmim import __main__ as main_module

COMMANDS = {path.stem for path in (Path(mmsimmim.__file__).parent / 'commands').glob('*.py')} - {'__init__'}


@pytest.mark.parametrize('arguments', [[], ['--help'], ['-h']])
def test_commands_are_listed_with_what_they_do(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['mmsimmim', *arguments])
    main_module.main()
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line.startswith('  ')}
    assert {main_module.SHORT_NAMES.get(name, name) for name in listed} == COMMANDS and len(listed) == len(COMMANDS)
    assert listed['inspect'] == 'Say what a checkpoint holds, and which configs of this project it fits.'


@pytest.mark.parametrize('name', ['masks', 'mask_gallery', 'mask-gallery'])
@pytest.mark.parametrize('program, shown', [('/usr/bin/mmsimmim', 'mmsimmim'),
                                            ('/lib/mmsimmim/__main__.py', 'python -m mmsimmim')])
def test_a_command_gets_the_arguments_after_its_name(name, program, shown, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [program, name, '--help'])
    with pytest.raises(SystemExit) as ended:
        main_module.main()
    assert ended.value.code == 0 and capsys.readouterr().out.startswith(f'usage: {shown} {name} [-h]')


def test_short_names_are_of_commands_and_hide_none():
    assert set(main_module.SHORT_NAMES.values()) <= COMMANDS and not COMMANDS & main_module.SHORT_NAMES.keys()
    assert set(main_module.FIRST) <= COMMANDS | main_module.SHORT_NAMES.keys()


def test_the_version_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['mmsimmim', '--version'])
    main_module.main()
    assert capsys.readouterr().out == f'mmsimmim {mmsimmim.__version__}\n'


def test_modules_in_the_working_folder_are_found_last(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(sys, 'argv', ['mmsimmim', 'configs', '--help'])
    with pytest.raises(SystemExit):
        main_module.main()
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_each_command_has_a_main(name):
    assert callable(importlib.import_module(f'mmsimmim.commands.{name}').main)


def test_a_wrong_name_is_told_with_one_that_is_like_it(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmsimmim', 'trian', 'config.py'])
    with pytest.raises(SystemExit, match='there is no command trian. Did you mean train?'):
        main_module.main()
