"""Trials: fine-tunes that differ in what a user would decide, so that the best can be chosen."""

import itertools
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.domain.training import Measured, Overrides, check_decision
from zoo.errors import Invalid

WHOLE = ("epochs", "batch")
REAL = ("lr", "head_lr", "mixup")
BY_MAGNITUDE = ("lr", "head_lr")  # drawn so that each factor of ten is as likely
WORDS = ("freeze", "init")
MOST_TRIALS = 1000

_RANGE = re.compile(r"([^.].*?)\.\.(.+)")

Value = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one decision may be: some values, or anything between two numbers."""

    name: str
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def read(cls, text: str) -> "Choice":
        """Read ``lr=0.01,0.001`` or ``lr=1e-4..1e-1``.

        Raises:
            Invalid: it is neither, no such decision can be tried, or none of that value.
        """
        name, _, told = text.partition("=")
        name = name.strip().replace("-", "_")
        if name not in WHOLE + REAL + WORDS or not told.strip():
            raise Invalid(
                f"{text!r} is nothing that can be tried.",
                hint=f"Give NAME=VALUE,VALUE or NAME=LOW..HIGH; names: "
                f"{', '.join(WHOLE + REAL + WORDS)}",
            )
        if name not in WORDS and (match := _RANGE.fullmatch(told.strip())):
            low, high = (_number(name, one, text) for one in match.groups())
            for end in (low, high):
                check_decision(name, end)
            if not low < high or (name in BY_MAGNITUDE and low <= 0):
                raise Invalid(f"{text!r} is no range.", hint="Give LOW..HIGH; rates begin above 0.")
            return cls(name=name, low=low, high=high)
        words = [one.strip() for one in told.split(",")]
        values = words if name in WORDS else [_number(name, one, text) for one in words]
        for value in values:
            check_decision(name, value)
        return cls(name=name, values=tuple(dict.fromkeys(values)))

    def draw(self, chance: random.Random) -> Value:
        """Draw a value."""
        if self.values:
            return chance.choice(self.values)
        if self.name in WHOLE:
            return chance.randint(int(self.low), int(self.high))
        if self.name in BY_MAGNITUDE:
            drawn = math.exp(chance.uniform(math.log(self.low), math.log(self.high)))
        else:
            drawn = chance.uniform(self.low, self.high)
        return float(f"{drawn:.4g}")


def draw_trials(choices: Sequence[Choice], *, count: int | None, seed: int) -> list[Overrides]:
    """Give what is decided in each trial: every combination, or so many that are drawn.

    Raises:
        Invalid: a range has no end of combinations, a decision is named twice, or there are too
            many trials.
    """
    names = [choice.name for choice in choices]
    if len(set(names)) < len(names) or not names:
        raise Invalid("Name each decision that is tried once.", hint="--grid lr=0.01,0.001")
    ranges = [choice.name for choice in choices if not choice.values]
    if count is None and ranges:
        raise Invalid(
            f"A range has no end of values: {ranges[0]}.", hint="Say how many to draw: --random N"
        )
    size = math.prod(len(choice.values) for choice in choices) if count is None else count
    if size > MOST_TRIALS:
        raise Invalid(f"{size} trials are too many.", hint=f"Try {MOST_TRIALS} at most: --random N")
    if count is None:
        drawn = itertools.product(*(choice.values for choice in choices))
        return [_decided(names, values) for values in drawn]
    chance = random.Random(seed)  # noqa: S311  # no secret: the same seed draws the same trials
    rows = (tuple(choice.draw(chance) for choice in choices) for _ in range(count))
    return [_decided(names, values) for values in dict.fromkeys(rows)]


@dataclass(slots=True, kw_only=True)
class Halving:
    """Asynchronous successive halving, which ends trials that fall behind (Li et al., 2020).

    Rungs are at ``least``, ``least * factor``, ``least * factor ** 2`` ... epochs. A trial that
    comes to a rung goes on if its held-out loss is among the best one in ``factor`` of those that
    came there so far; nobody waits for the others.
    """

    least: int = 1
    factor: int = 3
    _seen: dict[int, dict[int, float]] = field(default_factory=dict)  # rung to trial to loss

    def is_behind(self, trial: int, curve: Sequence[Measured]) -> bool:
        """Note how far a trial is, and tell whether it falls behind at a rung that it reached."""
        epochs = {one.epoch: one.held_out_loss for one in curve}
        rung, is_behind = self.least, False
        while rung in epochs:
            seen = self._seen.setdefault(rung, {})
            is_new = trial not in seen
            seen.setdefault(trial, epochs[rung])
            if is_new:
                better = sum(loss < seen[trial] for loss in seen.values())
                is_behind = is_behind or better >= max(1, len(seen) // self.factor)
            rung *= self.factor
        return is_behind


def best_of(curve: Sequence[Measured]) -> Measured | None:
    """Give the epoch of the lowest held-out loss; None where nothing was measured."""
    return min(curve, key=lambda one: one.held_out_loss, default=None)


def _decided(names: Sequence[str], values: Sequence[Value]) -> Overrides:
    told: dict[str, Any] = dict(zip(names, values, strict=True))
    return Overrides(**told)


def _number(name: str, word: str, text: str) -> int | float:
    try:
        return int(word) if name in WHOLE else float(word)
    except ValueError:
        raise Invalid(f"{word!r} in {text!r} is no number.", hint="--grid lr=0.01,0.001") from None
