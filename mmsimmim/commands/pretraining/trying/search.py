"""The largest batch that a device takes."""

from collections.abc import Callable

# The search begins with this many images, and ends when it is known to one part in so many.
FIRST, EXACTNESS = 8, 16


def largest_batch(fits: Callable[[int], bool], wanted: int) -> int:
    """Double a batch until it does not fit, then halve the gap.

    Args:
        fits (Callable[[int], bool]): Tries some steps with a number of images.
        wanted (int): No more than these are tried.

    Returns:
        int: Images, at most a sixteenth less than the largest number that fits; 0 if not even one does.
    """
    good, bad = 0, wanted + 1
    trying = min(FIRST, wanted)
    while trying > good:
        if fits(trying):
            good = trying
        else:
            bad = trying
        trying = _next(good, bad, wanted)
    return good


def _next(good: int, bad: int, wanted: int) -> int:
    """What to try after these, or what is known to be good if that is exact enough."""
    if good == 0:
        return bad // 2
    if bad > wanted:
        return min(2 * good, wanted)
    gap = bad - good
    return good if gap <= max(1, good // EXACTNESS) else good + gap // 2


def within_memory(few: tuple[int, int], more: tuple[int, int], room: int, wanted: int) -> int:
    """The largest batch by the memory of two: what each image takes beside weights and all else that is there once.

    Args:
        few (tuple[int, int]): Images, and bytes of the process at their peak.
        more (tuple[int, int]): The same of more images.
        room (int): Bytes that the process may have.
        wanted (int): No more images than these.

    Returns:
        int: Images; 0 if not even one fits.
    """
    each = max(0, more[1] - few[1]) / (more[0] - few[0])
    left = room - (few[1] - few[0] * each)
    if left < each:
        return 0
    return wanted if each == 0 else min(wanted, int(left / each))
