"""How many pictures of several requests share a run: measured, not assumed.

On a CPU a batch is seldom cheaper: ResNet-18 costs the same from 1 to 16 pictures, SqueezeNet more
above 1. Quantized networks gain a sixth at 2. On a GPU batches are what it is for.
"""

from collections.abc import Callable
from functools import partial

from zoo.serving.costs import share_of

MEASURED = (1, 2, 4, 8)
BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)  # what runs on a GPU are padded to
LEAST_GAIN = 0.1  # of the cost of a picture, below which requests do not wait for each other


def choose_most_together(measure: Callable[[int], float]) -> int:
    """Give the largest number of pictures that is worth a shared run, by what one costs in it.

    Numbers are tried as long as each is cheaper than the one before. ``measure`` tells what a
    picture costs in one run of so many.
    """
    best, before = 1, 1.0
    for count in MEASURED[1:]:
        share = share_of(partial(measure, 1), partial(measure, count))
        if share >= before:
            break
        if share <= 1 - LEAST_GAIN:
            best = count
        before = share
    return best


def pad_to(count: int) -> int:
    """Give the bucket that so many pictures are padded to; more than the last stay as they are."""
    return next((bucket for bucket in BUCKETS if bucket >= count), count)
