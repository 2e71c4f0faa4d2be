"""Which of two ways is cheaper: both are measured, turn by turn.

Measured one after the other, what came first seems dear: the processor has yet to wake, and its
caches are cold. What else runs on the machine makes single turns dearer, so the least counts.
"""

import math
from collections.abc import Callable

TURNS, FEWEST_TURNS = 5, 2


def share_of(usual: Callable[[], float], other: Callable[[], float]) -> float:
    """Tell what a way costs, of what the usual one does; each is called for its cost in one turn.

    One that is not cheaper after two turns is not measured for longer.
    """
    for way in (usual, other):
        way()
    usually = otherwise = math.inf
    for turn in range(1, TURNS + 1):
        usually, otherwise = min(usually, usual()), min(otherwise, other())
        if turn >= FEWEST_TURNS and otherwise >= usually:
            break
    return otherwise / usually if usually else 1.0  # where the clock is too coarse to tell
