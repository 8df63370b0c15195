"""What an attempt on the program ended in."""

from collections import Counter
from enum import Enum
from typing import NamedTuple


class Outcome(str, Enum):
    """How the program answered; all but the first two are faults of it."""

    FINE = 'fine'  # it took what it was given, and the result was the right one
    CLEAR = 'clear'  # it refused in one sentence, and nothing was lost
    CRASH = 'crash'  # a traceback, or a signal that ended the process
    HANG = 'hang'  # no answer in the time allowed
    CODE = 'code'  # code or another program ran, or a connection was opened
    LOST = 'lost'  # a file is gone, half-written or of another run
    WRONG = 'wrong'  # another result than the right one, without a word


FAULTS = frozenset(Outcome) - {Outcome.FINE, Outcome.CLEAR}


class Attempt(NamedTuple):
    """One of a campaign.

    Attributes:
        subject (str): What was attacked: 'JPEG in a folder', '--cfg-options of a detector'.
        name (str): Enough to repeat it: the seed, and what was done.
        outcome (Outcome): How the program answered.
        detail (str): The sentence, or the end of the traceback.
    """

    subject: str
    name: str
    outcome: Outcome
    detail: str = ''


def table(attempts: list[Attempt]) -> str:
    """The counts of each subject, as a table in Markdown."""
    counts = Counter((attempt.subject, attempt.outcome) for attempt in attempts)
    heads = ['tried', *(outcome.value for outcome in Outcome)]
    lines = [f'| Subject | {" | ".join(heads)} |', f'|---|{"---:|" * len(heads)}']
    for subject in sorted({attempt.subject for attempt in attempts}):
        row = [counts[subject, outcome] for outcome in Outcome]
        lines.append(f'| {subject} | {" | ".join(map(str, [sum(row), *row]))} |')
    return '\n'.join(lines)
