"""Advice before a fine-tune: queued, and later held against what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zoo.domain.job import Job, JobKind
from zoo.domain.plan import CODES
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.finetune import check_finetune
from zoo.operations.later import Request, enqueue_request
from zoo.operations.opening import Zoo
from zoo.planning import check_dataset

WITHIN = 1.96  # standard errors on each side have 95 %
ALL_MODELS = ""  # in place of a model: each of the zoo


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One fine-tune held against the advice that preceded it."""

    model: str
    dataset: str
    strategy: str  # what was done
    advised: str  # what was advised
    predicted: float  # accuracy, by cross-validation
    low: float  # 95 % interval of that
    high: float
    found: float  # on the validation pictures
    found_low: float
    found_high: float

    @property
    def is_within(self) -> bool:
        """Tell whether the intervals of prediction and result meet."""
        return self.low <= self.found_high and self.found_low <= self.high

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self) | {"is_within": self.is_within}


def enqueue_advise(zoo: Zoo, model: str, dataset: str, *, seed: int = 0) -> Job:
    """Queue advice on fine-tuning a model on a dataset, or on which model of the zoo suits it.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: the revision has no network that could be built.
        Unsupported: it is dense, without the cells that see padding.
        OneClass, TooFewPictures, ClassesDiffer: nothing can be learned from the dataset.
    """
    request = {"model": model, "dataset": get_dataset(zoo, dataset).address, "seed": seed}
    return enqueue_request(zoo, JobKind.ADVISE, request, settle_advise)


def settle_advise(zoo: Zoo, request: Request) -> dict[str, Any]:
    """Check a request for advice, and name revision and dataset for good.

    Raises:
        As ``enqueue_advise``.
    """
    address = ALL_MODELS
    if request["model"] != ALL_MODELS:
        revision = get_revision(zoo, request["model"])
        check_finetune(zoo, revision, read_config(zoo, revision))
        address = revision.address
    pictures = get_dataset(zoo, request["dataset"])
    check_dataset(pictures)
    return {**request, "model": address, "dataset": pictures.address}


def tell_gain(told: Mapping[str, Any]) -> str:
    """Say in words what more pictures would buy, one of the ``gains`` of an advice.

    Where 0 lies within its bounds the sign cannot be told, and that is said. So is that no gain can
    be seen where all pictures are right already.
    """
    points = told["points"]
    # Advice of before had no bounds.
    far = WITHIN * told["standard_error"]
    low, high = told.get("low", points - far), told.get("high", points + far)
    if shown := told.get("all_right"):
        return (
            f"have nothing left to gain that these {shown} pictures could show: all are right, "
            f"which leaves up to {high:.1f} points at 95 %"
        )
    figures = f"{_points(points)} points ({_points(low)} to {_points(high)} at 95 %)"
    if low > 0:
        return f"would buy about {figures}"
    if high > 0:
        return f"may buy {figures}; whether they would help cannot be told"
    return f"would not help: {figures}, as far as the curve tells"


def _points(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"  # no -0.0


def read_record(zoo: Zoo) -> list[Kept]:
    """Hold every fine-tune as advised against the last advice on that model and dataset before it.

    Those of the caller are told, or everyone's to those who look after the zoo. Advice that could
    measure nothing predicts nothing.
    """
    own = _list_own(zoo, JobKind.ADVISE)
    advices = [job for job in own if job.params["model"] and _has_predicted(job.result or {})]
    record = []
    for job in _list_own(zoo, JobKind.FINETUNE):
        before = [one for one in advices if one.id < job.id and _is_same(one, job)]
        if before and job.result and _is_as_advised(job, job.result, before[0].result or {}):
            record.append(_hold(job, job.result, before[0].result or {}))
    return record


def _list_own(zoo: Zoo, kind: JobKind) -> list[Job]:
    return [job for job in jobs.list_succeeded(zoo, kind) if jobs.is_seen(zoo, job)]


def _has_predicted(result: dict[str, Any]) -> bool:
    return bool(result.get("advised") and result.get("predicted"))


def _is_same(advice: Job, job: Job) -> bool:
    return all(advice.params[key] == job.params[key] for key in ("model", "dataset"))


def _is_as_advised(job: Job, result: dict[str, Any], advice: dict[str, Any]) -> bool:
    """Tell whether what was predicted is the accuracy of what a job did, and of nothing else."""
    advised = advice["advised"]
    layers = advised.get("layer", CODES), job.params.get("layer", CODES)
    return bool(result["strategy"] == advised["strategy"] and layers[0] == layers[1])


def _hold(job: Job, result: dict[str, Any], advice: dict[str, Any]) -> Kept:
    accuracy, predicted = result["accuracy"], advice["predicted"]
    return Kept(
        model=job.params["model"],
        dataset=job.params["dataset"],
        strategy=result["strategy"],
        advised=advice["advised"]["strategy"],
        predicted=predicted["accuracy"],
        low=predicted["low"],
        high=predicted["high"],
        found=accuracy["value"],
        found_low=accuracy["low"],
        found_high=accuracy["high"],
    )
