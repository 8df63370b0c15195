"""Numbers that are a function of a key."""

import numpy as np

from mmsimmim.datasets.keyed_random import CROP, MASK, KeyedRandom, draw_table, fold

KEYS = [(seed, epoch, index) for seed in range(2) for epoch in range(5) for index in range(400)]


def test_the_generator_is_splitmix64():
    """The published stream of seed 1234567 (the reference in Rosetta Code and the Java library)."""
    random = KeyedRandom(CROP, ())
    random._state = 1234567
    assert [random._next() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_a_table_has_the_numbers_of_the_streams():
    table = draw_table(MASK, KEYS[:3], 5)
    for row, key in zip(table.tolist(), KEYS):
        random = KeyedRandom(MASK, key)
        assert row == [random._next() for _ in range(5)]


def test_keys_and_purposes_give_unrelated_numbers():
    keys = KEYS + [(), (0, ), (0, 0), (5, ), (5, 0), (0, 5), (0, 0, 3, 1), (2**32 - 1, 0, 0)]
    folded = [fold(purpose, key) for purpose in (CROP, MASK) for key in keys]
    assert len(set(folded)) == len(folded)
    bits = np.array([[number >> bit & 1 for bit in range(64)] for number in folded])
    # each bit is set in half of them, and no two bits go together: five standard deviations
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(len(bits))
    correlation = np.corrcoef(bits.T) - np.eye(64)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(bits))


def test_numbers_are_spread_evenly():
    for draw in (lambda random: 5 * random.uniform(2, 4) - 10, lambda random: random.integer(10),
                 lambda random: 10 * random.uniform()):
        counts = np.bincount([int(draw(KeyedRandom(CROP, key))) for key in KEYS], minlength=10)
        assert len(counts) == 10
        # chi-square with 9 degrees of freedom: one in a thousand lies above 27.9
        assert ((counts - len(KEYS) / 10)**2 / (len(KEYS) / 10)).sum() < 27.9


def test_neighbours_do_not_follow_one_another():
    first = np.array([KeyedRandom(CROP, key).uniform() for key in KEYS])
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 5 / np.sqrt(len(first))
