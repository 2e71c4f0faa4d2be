"""Learning rates over the course of a training."""

import math


def one_cycle(step: int, total: int, *, warm_up: float) -> float:
    """Give the share of the highest rate at a step, counted from 0.

    It rises in a line over the first ``warm_up`` of all steps and falls by a cosine.
    """
    rising = max(1, round(warm_up * total))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))
