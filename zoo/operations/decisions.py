"""What a fine-tune decided, as its training.json tells, beside what its repetition did."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

FIGURES = ("accuracy", "standard_error", "balanced_accuracy")  # the error of the last is a rule's
ROUNDING = 1e-3  # of a rate: what rounding may add to what it rests on, and no decision does

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The decisions of a fine-tune, by the names of training.json; older zoos do not tell all."""

    by_rule: Told  # from what was asked for and the numbers of pictures alone
    by_figures: Told  # C and the layers, chosen by cross-validation
    of_training: Told  # by what the network is measured to be, which is not written down
    figures: tuple[float | None, ...]  # that C and the layers were chosen by

    @classmethod
    def read(cls, told: Told, head: Told) -> Self:
        """Read them; ``head`` is that of the probe, with which a training begins.

        Which accuracy choices go by follows from what stands beside the candidates.
        """
        codes = told.get("codes") or {}
        measured = [*head.get("candidates", ()), *codes.get("depth", ())]
        rule = {name: one for name, one in told["plan"].items() if name != "because"}
        training = rule.pop("training", None) or {}
        if measured:
            is_balanced = "balanced_accuracy" in measured[0]
            rule["judged_by"] = "balanced_accuracy" if is_balanced else "accuracy"
        return cls(
            by_rule=rule,
            by_figures={"c": head.get("c"), "taps": codes.get("taps")},
            of_training=training,
            figures=tuple(one.get(name) for one in measured for name in FIGURES),
        )


def compare_decisions(before: Decisions, now: Decisions) -> tuple[dict[str, tuple[str, str]], bool]:
    """Give the decisions that differ, and whether they do by other rules.

    They do where nothing is measured for them, or where the same was.
    """
    ruled = _differing(before.by_rule, now.by_rule)
    chosen = _differing(before.by_figures, now.by_figures)
    is_measured_alike = bool(now.figures) and before.figures == now.figures
    found = {**ruled, **chosen, **_differing(before.of_training, now.of_training)}
    return found, bool(ruled or (chosen and is_measured_alike))


def _differing(before: Told, now: Told) -> dict[str, tuple[str, str]]:
    """Give what differs; what only one of the two tells of is no difference."""
    return {
        name: (_tell(one), _tell(now[name]))
        for name, one in before.items()
        if one is not None and now.get(name) is not None and not _is_alike(one, now[name])
    }


def _is_alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING)
    return one == other


def _tell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
