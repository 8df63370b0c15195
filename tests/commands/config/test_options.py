"""What the commands' arguments say without importing what they are about."""

from mmsimmim.commands.config.options import MASK_NAMES
from mmsimmim.datasets import MASK_STRATEGIES


def test_the_names_of_masks_are_those_of_the_strategies():
    assert MASK_NAMES == tuple(MASK_STRATEGIES)
