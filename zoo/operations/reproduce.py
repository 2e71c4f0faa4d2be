"""Running a fine-tune again, and comparing what comes of it with what came of it before."""

import contextlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zoo.domain.config import TRAINING, WEIGHTS
from zoo.domain.job import Job
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.revision import Revision
from zoo.domain.training import Overrides
from zoo.errors import MalformedCheckpoint, NotFound, NotRunnable
from zoo.formats.safetensors import read_safetensors
from zoo.operations.decisions import Decisions, compare_decisions
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import Zoo
from zoo.operations.surgery import join_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """A fine-tune beside its repetition."""

    first: str  # addresses
    second: str
    tensors: int
    equal: int  # of them, to the bit
    largest_difference: float  # between two numbers, as a share of the tensor's largest
    accuracies: tuple[float, float]
    rights: tuple[int, int]  # validation pictures
    versions: dict[str, tuple[str, str]]  # that differ
    plan: dict[str, tuple[str, str]] = field(default_factory=dict)  # decisions that differ
    is_replanned: bool = False  # they do by other rules, not by what was measured

    @property
    def is_same(self) -> bool:
        """Tell whether it came out the same: every bit, or every validation picture's count."""
        return self.tensors == self.equal or self.rights[0] == self.rights[1]

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        largest = self.largest_difference if math.isfinite(self.largest_difference) else None
        return asdict(self) | {"largest_difference": largest, "is_same": self.is_same}


def enqueue_reproduce(zoo: Zoo, address: str, *, name: str | None = None) -> Job:
    """Queue the fine-tune that a revision came of once more, under a name of its own.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: the revision came of no fine-tune, or does not tell how it was asked for.
    """
    revision = get_revision(zoo, address)
    told = read_training(zoo, revision)
    request = told.get("request")
    if not isinstance(request, dict):
        raise NotRunnable(
            f"{revision.address} does not tell how its fine-tune was asked for.",
            hint="It was made by an older zoo. Fine-tune again: zoo finetune MODEL DATASET",
            revision=revision.address,
        )
    return enqueue_finetune(
        zoo,
        told["parent"],
        told["dataset"],
        name=name or join_name(revision.model, "again", otherwise="again"),
        seed=request["seed"],
        layer=request["layer"],
        classifier=Classifier(request["classifier"]),
        strategy=Strategy(request["strategy"]),
        overrides=Overrides(**request["training"]),
        precision=_precision(told),
        is_anew=True,
    )


def _precision(told: dict[str, Any]) -> CodesPrecision:
    """Give what codes were computed in; older zoos do not tell, and knew one alone."""
    return CodesPrecision(told.get("codes", {}).get("precision", CodesPrecision.FP32))


def compare_repetition(zoo: Zoo, address: str, model: str) -> Repetition:
    """Compare a revision with the one that a repetition published for the same strategy.

    Raises:
        ModelNotFound, RevisionNotFound: there is none, or none of that strategy.
        NotRunnable: one of them came of no fine-tune.
    """
    first = get_revision(zoo, address)
    told = read_training(zoo, first)
    strategy = told["plan"]["strategy"]
    second = get_revision(zoo, model)
    if read_training(zoo, second)["plan"]["strategy"] != strategy:
        second = get_revision(zoo, f"{model}:{strategy}")
    other = read_training(zoo, second)
    weights = [read_safetensors(get_file(zoo, one, WEIGHTS)[1]) for one in (first, second)]
    names = sorted({*weights[0], *weights[1]})
    differences = [
        _difference(weights[0][name], weights[1][name])
        if name in weights[0] and name in weights[1]
        else float("inf")
        for name in names
    ]
    accuracies = [one["metrics"]["val"]["accuracy"] for one in (told, other)]
    pairs = {
        name: (str(told["versions"].get(name)), str(value))
        for name, value in other["versions"].items()
    }
    plan, is_replanned = compare_decisions(
        *(
            Decisions.read(one, _find_head(zoo, revision, one))
            for revision, one in ((first, told), (second, other))
        )
    )
    return Repetition(
        first=first.address,
        second=second.address,
        tensors=len(names),
        equal=differences.count(0.0),
        largest_difference=max(differences, default=0.0),
        accuracies=(accuracies[0]["value"], accuracies[1]["value"]),
        rights=(accuracies[0]["right"], accuracies[1]["right"]),
        versions={name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
        plan=plan,
        is_replanned=is_replanned,
    )


def _find_head(zoo: Zoo, revision: Revision, told: dict[str, Any]) -> dict[str, Any]:
    """Find how C was chosen: a training begins with a probe, which was published beside it."""
    if told["plan"].get("training") and revision.job is not None:
        with contextlib.suppress(NotFound):
            probe = get_revision(zoo, f"{revision.model}:{Strategy.PROBE.value}")
            if probe.job == revision.job:
                told = read_training(zoo, probe)
    return told.get("head") or {}


def read_training(zoo: Zoo, revision: Revision) -> dict[str, Any]:
    """Read what a fine-tune wrote down.

    Raises:
        NotRunnable: the revision came of none.
        MalformedCheckpoint: it cannot be understood.
    """
    if revision.find_file(TRAINING) is None:
        raise NotRunnable(
            f"{revision.address} came of no fine-tune: it has no {TRAINING}.",
            hint="Name a model that zoo finetune made: zoo list",
            revision=revision.address,
        )
    try:
        told = json.loads(get_file(zoo, revision, TRAINING)[1].read_bytes())
        for key in ("plan", "parent", "dataset", "metrics", "versions"):
            told[key]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedCheckpoint(
            f"{TRAINING} of {revision.address} cannot be understood: {error!r}",
            hint="Fine-tune again: zoo finetune MODEL DATASET",
        ) from error
    found: dict[str, Any] = told
    return found


def _difference(one: Any, other: Any) -> float:  # noqa: ANN401  # arrays
    if one.shape != other.shape:
        return float("inf")
    if np.array_equal(one, other, equal_nan=True):
        return 0.0
    scale = float(np.abs(one).max()) or 1.0
    return float(np.abs(one.astype(float) - other.astype(float)).max()) / scale
