"""tools/benchmarks/gpu.sh: its parts are run once, and one that fails ends no other."""

import os
import subprocess

import pytest

from tests.commands.conftest import REPO


@pytest.fixture
def run(tmp_path):
    """A function that runs the script with a python that notes what it is asked, and fails where it is told to."""
    asked = tmp_path / 'asked'
    (tmp_path / 'python').write_text(f'#!/bin/sh\necho "$@" >> {asked}\n'
                                     'case "$*" in *"$FAIL"*) exit 3;; esac\n')
    (tmp_path / 'python').chmod(0o755)

    def run(*arguments, fail='nothing'):
        asked.write_text('')
        process = subprocess.run(['bash', REPO / 'tools/benchmarks/gpu.sh', *arguments], cwd=tmp_path,
                                 env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'FAIL': fail},
                                 stdout=subprocess.PIPE, text=True)
        return process.returncode, asked.read_text().splitlines(), process.stdout.splitlines()

    return run


def test_a_failing_part_is_named_and_tried_again(run, tmp_path):
    code, asked, said = run('--main', 'out', fail='--arch vit-base')
    assert code == 1 and said[-1].startswith('failed: throughput_vit-base (')
    assert '--arch swin-base' in asked[0] and '-m pytest' in ' '.join(asked)
    code, again, said = run('--main', 'out')
    assert code == 0 and len(again) == 1 and '--arch vit-base' in again[0]
    assert not any('demo/run_demo.py' in line for line in asked)


def test_every_script_and_option_exists(run, tmp_path):
    for folder in ('data', 'dense'):
        (tmp_path / folder).mkdir()
    code, asked, _ = run('out', 'data', 'dense')
    assert code == 0 and len(asked) == 18
    for line in asked:
        words = line.split()
        files = [word for word in words if word.endswith('.py') and not word.startswith('/')]
        assert all((REPO / file).is_file() for file in files), line
        if files and 'benchmarks' in files[0]:
            text = (REPO / files[0]).read_text()
            assert all(f"'{word}'" in text for word in words if word.startswith('--')), line


def test_without_a_folder(run):
    code, asked, _ = run()
    assert code != 0 and asked == []
