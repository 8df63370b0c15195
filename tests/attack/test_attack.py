"""A small part of the campaign, with a fixed seed; ``make attack`` runs more of it."""

from importlib import import_module

import pytest

from .outcomes import FAULTS

# Subject -> tries that fit into the minute that they all have together.
TRIES = dict(files=60, checkpoints=30, values=8, kills=4, preemption=2)


@pytest.mark.parametrize('subject', TRIES)
def test_no_attempt_finds_a_fault(subject, tmp_path):
    attempts = list(import_module(f'.{subject}', __package__).attack(seed=0, tries=TRIES[subject], folder=tmp_path))
    assert len(attempts) >= TRIES[subject]
    assert not [attempt for attempt in attempts if attempt.outcome in FAULTS]
