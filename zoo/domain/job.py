"""Work that a worker does, and how far it is."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from zoo.domain.access import LOCAL_ACCOUNT, Limit
from zoo.domain.training import EPOCH, RATES, Measured, Rates

LATER = "later"  # in the parameters of a job that are settled when it begins


class JobKind(StrEnum):
    """What there is to do."""

    IMPORT = "import"  # originals to a revision that can predict
    FINETUNE = "finetune"  # a revision and a dataset to a new revision
    ADVISE = "advise"  # what a revision, or each of the zoo, would come to on a dataset
    PREDICT = "predict"  # a revision and a dataset to a file of answers
    SURGERY = "surgery"  # a revision to one whose network is cut, joined or made dense
    QUANTIZE = "quantize"  # a revision to one whose graph computes with fewer bits
    EVALUATE = "evaluate"  # a revision and a dataset to a report
    CODES = "codes"  # a revision and a dataset to a file of codes
    INIT_STUDY = "init_study"  # a dataset to a report on how filters may begin
    TRANSFER_STUDY = "transfer_study"  # a revision and two datasets to a report on its layers
    REFERENCE = "reference"  # a revision and pictures to what advice holds datasets against
    VERIFY = "verify"  # a revision, or every byte there is, to what is not as it should be
    ALIAS = "alias"  # what a job before it published, to an alias that points there

    @property
    def gives_files(self) -> bool:
        """Tell whether what comes of it are files that can be downloaded."""
        return self in {
            JobKind.PREDICT,
            JobKind.EVALUATE,
            JobKind.CODES,
            JobKind.INIT_STUDY,
            JobKind.TRANSFER_STUDY,
            JobKind.REFERENCE,
        }


class JobState(StrEnum):
    """Where a job stands; SQL owns it, engines only execute."""

    WAITING = "waiting"  # for the jobs it comes after
    QUEUED = "queued"  # can be taken, also after an interruption
    PAUSED = "paused"  # put aside until it is resumed
    RUNNING = "running"  # an attempt holds the lease
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}

    @property
    def is_at_rest(self) -> bool:
        """Tell whether nothing more will happen unless somebody asks for it."""
        return self.is_final or self is JobState.PAUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWish:
    """Which jobs are looked for; None is any."""

    kind: JobKind | None = None
    model: str | None = None  # as their parameters have it, mostly with its revision
    dataset: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a job; its number is the fencing token every write carries."""

    job: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """What is kept of one try at a job."""

    number: int
    worker: str  # machine, home and process that claimed it
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None  # the state it left the job in, or how it ended without a word
    error: dict[str, Any] | None = None  # why it is tried again, or was given up
    threads: int | None = None  # what it was given of the machine; None is all there was
    memory_bytes: int | None = None
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One thing a job said of itself."""

    number: int  # counts up within the job
    attempt: int
    at: datetime
    step: str  # what it is doing: "codes", "fit", "export" ...
    message: str
    done: int | None = None  # of total
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work, as the catalog knows it."""

    id: int
    kind: JobKind
    state: JobState
    params: dict[str, Any]
    attempt: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    events: tuple[JobEvent, ...] = field(default=())
    account: str = LOCAL_ACCOUNT  # who asked for it
    limit: Limit | None = None  # of the token it was asked for with, for as long as it lives
    priority: int = 0  # the higher comes first
    after: tuple[int, ...] = ()  # jobs that have to succeed before
    rerun_of: int | None = None  # the job that was asked for again
    is_pausing: bool = False  # it runs still, and stops at its next checkpoint
    threads: int | None = None  # asked for; None is what is usual for the kind
    memory_bytes: int | None = None
    gpus: int | None = None
    attempts: tuple[AttemptRecord, ...] = field(default=())
    waits_for: str | None = None  # of one that nobody runs, where it is looked at alone

    @property
    def curve(self) -> tuple[Measured, ...]:
        """How the epochs of a training ended, as far as its events are here, by epoch."""
        told = (Measured.read(event.message) for event in self.events if event.step == EPOCH)
        # Of one that was measured again, by a later attempt, the last word counts.
        by_epoch = {one.epoch: one for one in told if one is not None}
        return tuple(by_epoch[epoch] for epoch in sorted(by_epoch))

    @property
    def rates(self) -> Rates | None:
        """How fast a training learns at most, as far as its events are here."""
        told = [Rates.read(event.message) for event in self.events if event.step == RATES]
        return told[-1] if told else None
