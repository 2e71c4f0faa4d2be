"""What pages show of a training: its record, curves, rates, layers and pace."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo.domain.config import TRAINING
from zoo.domain.job import Job, JobEvent, JobKind
from zoo.domain.revision import Revision
from zoo.errors import NotFound, ZooError
from zoo.operations import fetch
from zoo.operations.fates import Fates, find_fates
from zoo.operations.opening import Zoo
from zoo.web.pages.drawing import draw_curve

CURVE_PX = (560, 150)
STRIP_PX = (560, 44)
BAR_PX, BAR_GAP_PX = 560, 1
SECONDS, MINUTES = 90, 90 * 60  # up to which a time is told in them


def read_training(zoo: Zoo, revision: Revision) -> dict[str, Any] | None:
    """Read training.json where the zoo wrote it; one of others is a file like any."""
    if revision.find_file(TRAINING) is None or revision.job is None:
        return None
    try:
        data = json.loads(fetch.get_file(zoo, revision, TRAINING)[1].read_bytes())
        data["metrics"]["val"]["per_class"], data["parity"]["pictures"]
    except (ZooError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return dict(data)


def describe_training(zoo: Zoo, job: Job) -> dict[str, Any]:
    """Give what the page of a job shows of a training; nothing of a job of another kind."""
    fates = find_fates(zoo, job)
    return {
        "is_training": job.kind is JobKind.FINETUNE,
        "curves": draw_curves([asdict(one) for one in job.curve]) if job.curve else None,
        "rates": job.rates,
        "strip": _draw_rates(job),
        "strip_px": STRIP_PX,
        "fates": fates,
        "bar": _draw_bar(fates) if fates else (),
        "bar_px": BAR_PX,
        "verdict": _find_verdict(zoo, job),
    }


def _find_verdict(zoo: Zoo, job: Job) -> dict[str, Any] | None:
    """Find the figures of the probe against the trained network, of a job that judged them."""
    result = job.result or {}
    address = result.get("trained") or result.get("revision")
    if not address or "verdict" not in result:
        return None
    try:
        training = read_training(zoo, fetch.get_revision(zoo, address))
    except NotFound:  # It is gone by now.
        return None
    outcome = (training or {}).get("outcome") or {}
    verdict: dict[str, Any] | None = outcome.get("verdict")
    return verdict


def draw_curves(curve: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Draw losses and accuracy over the epochs of a training."""
    losses = [one["training_loss"] for one in curve], [one["held_out_loss"] for one in curve]
    top = max((value for row in losses for value in row if value is not None), default=1.0)
    accuracy = [one["held_out_accuracy"] for one in curve]
    return {
        "training": draw_curve(losses[0], top=top, size=CURVE_PX),
        "held_out": draw_curve(losses[1], top=top, size=CURVE_PX),
        "accuracy": draw_curve(accuracy, top=1.0, size=CURVE_PX),
        "top": f"{top:.3g}",
    }


def _draw_rates(job: Job) -> str:
    """Give the points of the rates' course: their share of the highest, over the planned epochs."""
    if job.rates is None:
        return ""
    width, height = STRIP_PX
    return " ".join(
        f"{one.epoch / job.rates.epochs * width:.1f},{height - one.rate * height:.1f}"
        for one in job.curve
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A layer in the bar of a network."""

    layer: str
    fate: str
    x: float
    width: float


def _draw_bar(fates: Fates) -> tuple[Segment, ...]:
    """Lay the layers with weights side by side, as wide as each other."""
    step = BAR_PX / max(len(fates.layers), 1)
    gap = BAR_GAP_PX if step > 4 * BAR_GAP_PX else 0
    return tuple(
        Segment(
            layer=one.layer,
            fate=one.fate.value,
            x=round(place * step, 2),
            width=round(step - gap, 2),
        )
        for place, one in enumerate(fates.layers)
    )


def tell_left(counts: Sequence[JobEvent]) -> str:
    """Say how long the step that runs will take at the pace of its counts so far."""
    if not counts:
        return ""
    last = counts[-1]
    own = [one for one in counts if (one.step, one.attempt) == (last.step, last.attempt)]
    done = (last.done or 0) - (own[0].done or 0)
    if done <= 0:
        return ""
    rate = (last.at - own[0].at).total_seconds() / done
    left_s = rate * ((last.total or 0) - (last.done or 0))
    if left_s < SECONDS:
        return f"about {left_s:.0f} s left"
    return (
        f"about {left_s / 60:.0f} min left"
        if left_s < MINUTES
        else f"about {left_s / 3600:.1f} h left"
    )
