"""Work that a worker does."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from zoo.domain.job import Job, JobKind, JobState, JobWish
from zoo.domain.plan import Classifier, CodesPrecision, Strategy
from zoo.domain.training import LONGEST_WORD, REAL_LIMITS, WHOLE_LIMITS, Overrides
from zoo.web.shapes.base import WITHOUT_NUL, Shape
from zoo.web.shapes.terms import Priority, TermsBody

EPOCHS, BATCH, DEVICES = (WHOLE_LIMITS[name] for name in ("epochs", "batch", "devices"))
RATE, MIXUP = REAL_LIMITS["lr"], REAL_LIMITS["mixup"]


class FinetuneBody(TermsBody):
    """A fine-tune to be queued."""

    kind: Literal["finetune"] = "finetune"
    model: str = Field(description="name, name:ref or name@revision")
    dataset: str = Field(description="name or name@id of a dataset of this zoo")
    name: str | None = Field(default=None, description="what the new model is called")
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    layer: str = Field(
        default="codes",
        min_length=1,
        max_length=256,
        description="where codes are taken: codes (what the classifier reads), a layer, best, all",
    )
    classifier: Classifier = Field(
        default=Classifier.LOGISTIC, description="what is fitted to the codes"
    )

    strategy: Strategy = Field(
        default=Strategy.PROBE, description="how the network is fitted; auto follows the numbers"
    )
    epochs: int | None = Field(
        default=None, ge=EPOCHS[0], le=EPOCHS[1], description="of a training"
    )
    batch: int | None = Field(default=None, ge=BATCH[0], le=BATCH[1], description="pictures a step")
    lr: float | None = Field(
        default=None,
        ge=RATE[0],
        le=RATE[1],
        allow_inf_nan=False,
        description="highest rate of the body",
    )
    head_lr: float | None = Field(
        default=None,
        ge=RATE[0],
        le=RATE[1],
        allow_inf_nan=False,
        description="highest rate of the head",
    )
    freeze: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_WORD,
        description="layers up to this one stay",
    )
    init: str | None = Field(
        default=None, min_length=1, max_length=LONGEST_WORD, description="what scratch begins as"
    )
    mixup: float | None = Field(
        default=None,
        ge=MIXUP[0],
        le=MIXUP[1],
        allow_inf_nan=False,
        description="alpha of the shares by which pictures are blended in pairs; 0 is never",
    )
    devices: int | None = Field(
        default=None, ge=DEVICES[0], le=DEVICES[1], description="GPUs that share every batch"
    )
    precision: CodesPrecision = Field(
        default=CodesPrecision.AUTO, description="what the codes of training pictures are in"
    )
    int8: bool = Field(default=False, description="also make a graph of 8 bits, under the ref int8")

    @property
    def overrides(self) -> Overrides:
        """What is decided about a training."""
        return Overrides(
            epochs=self.epochs,
            batch=self.batch,
            lr=self.lr,
            head_lr=self.head_lr,
            freeze=self.freeze,
            init=self.init,
            mixup=self.mixup,
            devices=self.devices,
        )


class CheckedAnswer(Shape):
    """A fine-tune that nothing stands against, as it would be queued."""

    model: str = Field(description="the revision, for good")
    dataset: str = Field(description="the dataset, for good")
    name: str = Field(description="what the new model would be called")


class AliasBody(TermsBody):
    """An alias to be moved by a job."""

    alias: str = Field(min_length=1, max_length=128, description="what is to point to the model")


class RerunBody(Shape):
    """What is different when a job is run again."""

    changes: dict[str, str | int | float | bool] = Field(
        default={}, max_length=100, description="parameters by name, such as epochs"
    )


class ChangeBody(Shape):
    """What is changed of a job."""

    priority: Priority


class JobsQuery(Shape):
    """Which jobs, and how many."""

    limit: int = Field(default=100, ge=1, le=1000)
    before: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="those older than the job of this number"
    )
    kind: JobKind | None = None
    model: str | None = Field(
        default=None,
        max_length=300,
        pattern=WITHOUT_NUL,
        description="as the jobs' params have it: name@revision",
    )
    dataset: str | None = Field(
        default=None,
        max_length=300,
        pattern=WITHOUT_NUL,
        description="as the jobs' params have it: name@id",
    )

    @property
    def wish(self) -> JobWish:
        """Give what the operation takes."""
        return JobWish(kind=self.kind, model=self.model, dataset=self.dataset)


class JobQuery(Shape):
    """Which events of a job."""

    after: int = Field(default=0, ge=0, description="the number of the last event already seen")


class EventAnswer(Shape):
    """One thing a job said of itself."""

    number: int
    attempt: int
    at: datetime
    step: str
    message: str
    done: int | None
    total: int | None


class EpochAnswer(Shape):
    """How an epoch of a training ended."""

    epoch: int = Field(description="0 is before the first step")
    rate: float = Field(description="share of the highest rates")
    training_loss: float | None
    held_out_loss: float
    held_out_accuracy: float


class AttemptAnswer(Shape):
    """One try at a job."""

    number: int
    worker: str = Field(description="machine, home and process that claimed it")
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None = Field(
        description="the state it left the job in; retried after an error that may pass; lost where"
        " its process died, lapsed where its lease ran out"
    )
    error: dict[str, Any] | None
    threads: int | None = Field(description="what it was given of the machine; null is all")
    memory_bytes: int | None
    gpus: list[int]


class RatesAnswer(Shape):
    """How fast the parts of a network learn at most."""

    epochs: int = Field(description="at most")
    head: float
    body: float = Field(description="of its uppermost stage")
    layer_decay: float = Field(description="rate of a stage over that of the one above it")
    frozen_up_to: str = Field(description="a layer; empty where nothing is frozen")


class JobAnswer(Shape):
    """A job, how far it is and what came of it."""

    id: int
    kind: JobKind
    state: JobState
    account: str = Field(description="who asked for it")
    params: dict[str, Any]
    priority: int = Field(description="the higher comes first")
    after: list[int] = Field(description="jobs that have to succeed before")
    rerun_of: int | None = Field(description="the job that was asked for again")
    is_pausing: bool = Field(description="it runs still, and stops at its next checkpoint")
    threads: int | None = Field(description="asked for; null is what is usual for the kind")
    memory_bytes: int | None
    gpus: int | None
    waits_for: str | None = Field(
        description="of one that nobody runs: what has to happen first, as this machine knows it;"
        " null in lists"
    )
    attempt: int
    attempts: list[AttemptAnswer] = Field(description="each try; none in lists")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    events: list[EventAnswer]
    curve: list[EpochAnswer] = Field(description="of the events that are told")
    rates: RatesAnswer | None = Field(description="of a training, if these events tell them")

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job."""
        return cls.model_validate(job)


class LogQuery(Shape):
    """Which part of which log."""

    attempt: int | None = Field(default=None, ge=1, description="the last one unless it is told")
    offset: int = Field(default=0, ge=0, le=2**62, description="bytes that are known already")


class LogAnswer(Shape):
    """A part of what an attempt printed."""

    job: int
    attempt: int
    worker: str = Field(description="machine, home and process that claimed it")
    offset: int
    next: int = Field(description="the offset of the next part")
    text: str
    is_complete: bool = Field(description="nothing more will come of this attempt")


class JobsAnswer(Shape):
    """The newest jobs."""

    jobs: list[JobAnswer]
