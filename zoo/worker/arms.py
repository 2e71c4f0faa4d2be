"""What could be done with a network and a dataset, what it would cost, and which to take."""

import shlex
from typing import Any

from zoo.domain.dataset import Dataset, Split
from zoo.domain.plan import ALL, Strategy
from zoo.networks.taps import CODES
from zoo.planning import EPOCHS
from zoo.training.level import Level
from zoo.training.quadrant import Quadrant, Size
from zoo.worker.lessons import MOST_VIEWS

BACKWARD = 3.0  # passes that a training step costs: forward, and gradients of values and weights
BELOW = 0.7  # share of a pass below the boundary of a partial training
FITTED = 0.8  # share of the training pictures that a training learns from
START_S = 5.0  # CPU seconds of a job's process before its first picture
ABOVE_TAP = {Size.SMALL: Strategy.PROBE, Size.MEDIUM: Strategy.PARTIAL, Size.LARGE: Strategy.LP_FT}
DIFFERENT = {Size.SMALL: Strategy.PROBE, Size.MEDIUM: Strategy.LP_FT, Size.LARGE: Strategy.LP_FT}


def list_arms(  # noqa: PLR0913  # what is known, by measurement
    quadrant: Quadrant,
    names: tuple[str, str],
    dataset: Dataset,
    *,
    best: Level | None,
    zero_shot: Level | None,
    is_borrowed: bool,
    pass_s: float,
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """List what could be done, each with the CPU seconds predicted, and name what is advised.

    ``names`` are what a command calls the model and the dataset. ``pass_s`` are the CPU seconds
    that a picture takes through the network. Accuracies are told where they were measured: of a
    probe at the scenario's tap, and of the network's own classes. ``is_borrowed`` is whether these
    serve small sets better. Without a tap small sets are advised nothing else, as a probe would
    guess; larger ones to train all layers from a head that begins at zero.
    """
    training = len(dataset.of_split(Split.TRAIN))
    every = training + len(dataset.of_split(Split.VAL))
    probe = START_S + every * pass_s
    arms = []
    if zero_shot is not None:
        arms.append(_arm(names, Strategy.ZERO_SHOT, CODES, probe, zero_shot))
    if quadrant.tap is not None:
        arms.append(_arm(names, Strategy.PROBE, quadrant.tap, probe, best))
    arms.append(_arm(names, Strategy.PROBE, ALL, probe))
    for strategy, epochs in EPOCHS.items():
        passes = epochs * BACKWARD
        if strategy is Strategy.PARTIAL:
            passes = MOST_VIEWS * BELOW + epochs * BACKWARD * (1 - BELOW)
        cost = probe + passes * FITTED * training * pass_s + every * pass_s
        arms.append(_arm(names, strategy, CODES, cost))
    wanted: Strategy | None = (ABOVE_TAP if quadrant.is_similar else DIFFERENT)[quadrant.size]
    if quadrant.size is Size.SMALL and is_borrowed:
        wanted = Strategy.ZERO_SHOT
    elif quadrant.tap is None:
        wanted = None if quadrant.size is Size.SMALL else Strategy.FULL
    tap = quadrant.tap if wanted is Strategy.PROBE else CODES
    advised = (arm for arm in arms if arm["strategy"] == wanted and arm["layer"] == tap)
    return arms, next(advised, None)


def _arm(
    names: tuple[str, str],
    strategy: Strategy,
    layer: str,
    cpu_s: float,
    level: Level | None = None,
) -> dict[str, Any]:
    options = [] if strategy is Strategy.PROBE else ["--strategy", strategy.value]
    options += [] if layer == CODES else ["--layer", layer]
    return {
        "strategy": strategy.value,
        "layer": layer,
        "cpu_s": round(cpu_s, 1),
        "accuracy": level and level.accuracy,
        **(
            {"balanced_accuracy": level.balanced_accuracy}
            if level and level.balanced_accuracy is not None
            else {}
        ),
        "command": shlex.join(["zoo", "finetune", *names, *options]),
    }
