"""Streams that escape control characters."""

import subprocess
import sys

PROGRAM = """
from mmsimmim.commands.common.mistakes import report_mistakes

@report_mistakes
def main():
    raise RuntimeError('a fault of the program')

main()
"""


def test_a_fault_of_the_program_keeps_its_traceback():
    done = subprocess.run([sys.executable, '-c', PROGRAM], capture_output=True, text=True)
    assert done.returncode == 1 and 'lost sys.stderr' not in done.stderr
    assert 'Traceback' in done.stderr and done.stderr.rstrip().endswith('RuntimeError: a fault of the program')
