"""The random numbers of a step."""

import random
from types import SimpleNamespace

import numpy as np
import torch

from mmsimmim.engine.hooks import SeedStepHook


def draws(seed=0, rank=0, iteration=0, before=0):
    torch.rand(before)
    SeedStepHook().before_train_iter(SimpleNamespace(seed=seed, rank=rank, iter=iteration), 0)
    return torch.rand(1).item(), np.random.rand(), random.random()


def test_repeatable_whatever_was_drawn_before():
    assert draws() == draws(before=7)


def test_differ_between_seeds_ranks_and_iterations():
    found = [draws(), draws(seed=1), draws(rank=1), draws(iteration=1)]
    assert len({number for numbers in found for number in numbers}) == 12
