"""The report of a check: errors, warnings and notes, each kind once, with a count and the first examples."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import shown

EXAMPLES = 3
WIDTH = 120
# Faults that a few samples of the official sets have, too, and that training then leaves out, are errors above this
# share.
TOLERATED = 0.01


@dataclass
class Section:
    """What was found in one part of the data.

    Args:
        title (str): The part, such as 'train'.
        facts (list[str]): Lines about what was read. Defaults to [].
        findings (list[tuple[str, str]]): Level ('error', 'warning' or 'note') and text. Defaults to [].
    """

    title: str
    facts: list[str] = field(default_factory=list)
    findings: list[tuple[str, str]] = field(default_factory=list)

    def error(self, what: str, examples: Iterable | None = None, advice: str = '') -> None:
        """Something that stops a training or spoils its result.

        Args:
            what (str): The kind of fault.
            examples (Iterable, optional): All cases. Nothing is added if there are none; None stands for a fault that
                is a case of its own. Defaults to None.
            advice (str): What to do. Defaults to ''.
        """
        self._add('error', what, examples, advice)

    def warning(self, what: str, examples: Iterable | None = None, advice: str = '') -> None:
        """Something that may be intended. Arguments as for :meth:`error`."""
        self._add('warning', what, examples, advice)

    def note(self, what: str, examples: Iterable | None = None, advice: str = '') -> None:
        """Something worth knowing. Arguments as for :meth:`error`."""
        self._add('note', what, examples, advice)

    def by_share(self, what: str, examples: Iterable, total: int, advice: str = '') -> None:
        """A warning, or an error if more than 1 % of all are affected.

        Args:
            what (str): The kind of fault.
            examples (Iterable): All cases.
            total (int): Number of things looked at.
            advice (str): What to do. Defaults to ''.
        """
        examples = list(examples)
        level = 'error' if len(examples) > TOLERATED * total else 'warning'
        self._add(level, what, examples, advice)

    def _add(self, level: str, what: str, examples: Iterable | None, advice: str) -> None:
        if examples is not None:
            examples = list(examples)
            if not examples:
                return
            what = f'{what}: {len(examples)} ({some(examples)})'
        self.findings.append((level, f'{what.rstrip(".")}. {advice}'.strip()))

    def __str__(self) -> str:
        lines = [textwrap.fill(line, WIDTH, initial_indent='  ', subsequent_indent='    ', break_long_words=False,
                               break_on_hyphens=False)
                 for line in [*self.facts, *(f'{level}: {text}' for level, text in self.findings)]]
        return '\n'.join([self.title, *(lines or ['  nothing to report'])])


class Report:
    """Sections, and how many errors and warnings they have.

    Examples:
        >>> report = Report()
        >>> report.section('train').error('images not on disk', ['a.jpg', 'b.jpg'], 'Copy them there.')
        >>> print(report)
        train
          error: images not on disk: 2 (a.jpg, b.jpg). Copy them there.
        1 error, 0 warnings
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []

    def section(self, title: str) -> Section:
        """Begin a section.

        Args:
            title (str): Its first line.

        Returns:
            Section: The section, to be filled.
        """
        self.sections.append(Section(title))
        return self.sections[-1]

    def count(self, level: str) -> int:
        """Number of findings.

        Args:
            level (str): 'error', 'warning' or 'note'.

        Returns:
            int: How many kinds of faults were found, each of which may have many cases.
        """
        return sum(found == level for section in self.sections for found, _ in section.findings)

    def __str__(self) -> str:
        total = ', '.join(f'{self.count(level)} {level}{"" if self.count(level) == 1 else "s"}'
                          for level in ('error', 'warning'))
        return '\n'.join([*map(str, self.sections), total])


def some(names: Iterable, number: int = EXAMPLES) -> str:
    """The first few.

    Args:
        names (Iterable): Things with names.
        number (int): How many to show. Defaults to 3.

    Returns:
        str: Such as 'a, b, c, ...'.
    """
    names = list(names)
    return ', '.join(map(shown, names[:number])) + (', ...' if len(names) > number else '')
