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
    assert listed.keys() == COMMANDS and 'train' in COMMANDS
    assert listed['inspect_checkpoint'] == 'Say what a checkpoint holds, and which configs of this project it fits.'


@pytest.mark.parametrize('name', ['mask_gallery', 'mask-gallery'])
def test_a_command_gets_the_arguments_after_its_name(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['mmsimmim', name, '--help'])
    with pytest.raises(SystemExit) as ended:
        main_module.main()
    assert ended.value.code == 0 and capsys.readouterr().out.startswith('usage: python -m mmsimmim mask_gallery [-h]')


@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_each_command_has_a_main(name):
    assert callable(importlib.import_module(f'mmsimmim.commands.{name}').main)


def test_a_wrong_name_is_told_with_one_that_is_like_it(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['mmsimmim', 'trian', 'config.py'])
    with pytest.raises(SystemExit, match='there is no command trian. Did you mean train?'):
        main_module.main()
