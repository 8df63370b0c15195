"""The example of docs/recipe.md prints what stands below it, and the rule in its table is that of the code."""

import contextlib
import io
import re
from pathlib import Path

from mmsimmim.recipes import rule

PAGE = (Path(__file__).parents[2] / 'docs' / 'recipe.md').read_text()


def test_the_example_prints_what_stands_below_it():
    program, printed = re.search(r'```python\n(.*?)```\n\n```\n(.*?)```', PAGE, re.S).groups()
    found = io.StringIO()
    with contextlib.redirect_stdout(found):
        exec(program.replace("Machine('cpu', ", "Machine('cpu', precision='bf16', "), {})
    assert found.getvalue() == printed


def test_the_rates_of_the_table_are_those_of_the_rule():
    assert f'{rule.SHORT_RATE:.1e}'.replace('e-0', 'e-') in PAGE and f'(S / {rule.SHORT_STEPS})^1/2' in PAGE
    assert f'{rule.RATE:g}'.replace('0.0008', '8e-4') in PAGE
