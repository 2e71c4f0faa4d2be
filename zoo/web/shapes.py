"""The shapes of requests and answers; the reference is made from them."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from zoo.domain.dataset import Dataset, DatasetSummary
from zoo.domain.job import Job, JobKind, JobState
from zoo.domain.prediction import Prediction
from zoo.domain.revision import Model, Revision

MOST_LETTERS = 2000  # of a message
WITHOUT_NUL = r"^[^\x00]*$"  # PostgreSQL stores none


class Shape(BaseModel):
    """What all shapes share: read from domain values, strict about unknown keys."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class ErrorBody(Shape):
    """What went wrong, and what to do next."""

    code: str
    message: str
    hint: str
    detail: dict[str, Any]


class ErrorAnswer(Shape):
    """The one shape of every error."""

    error: ErrorBody


class FileAnswer(Shape):
    """A file of a revision."""

    path: str
    digest: str = Field(description="sha256, 64 hex digits; also the ETag of a download")
    size_bytes: int


class RevisionAnswer(Shape):
    """An immutable set of files."""

    model: str
    id: str
    message: str
    created_at: datetime
    size_bytes: int
    previous: str | None
    parent: str | None = Field(description="lineage: the revision it was made from")
    dataset: str | None = Field(description="lineage: the dataset it was fine-tuned on")
    job: int | None
    summary: dict[str, Any]
    files: list[FileAnswer]

    @classmethod
    def of(cls, revision: Revision) -> Self:
        """Show a revision."""
        return cls.model_validate(revision)


class ModelAnswer(Shape):
    """A model with its refs and the revision main points to."""

    name: str
    created_at: datetime
    refs: dict[str, str]
    head: RevisionAnswer | None

    @classmethod
    def of(cls, model: Model) -> Self:
        """Show a model."""
        return cls.model_validate(model)


class ModelsAnswer(Shape):
    """A page of models, by name."""

    models: list[ModelAnswer]
    next: str | None = Field(description="give it as `after` for the next page")


class RevisionsAnswer(Shape):
    """The revisions of a model, the newest first."""

    revisions: list[RevisionAnswer]


class UploadAnswer(Shape):
    """A revision that was uploaded, and the job that makes it able to predict."""

    revision: RevisionAnswer
    job: int | None
    note: str


class PageQuery(Shape):
    """Which page of a list."""

    after: str = Field(
        default="", pattern=WITHOUT_NUL, description="the name the page begins after"
    )
    limit: int = Field(default=100, ge=1, le=1000)


class UploadForm(Shape):
    """What is said of an upload beside its files."""

    message: str = Field(
        default="upload", max_length=MOST_LETTERS, pattern=WITHOUT_NUL, description="kept"
    )


class PredictQuery(Shape):
    """How much to say of a picture."""

    top: int = Field(default=5, ge=1, le=10_000, description="classes per picture")


class ScoreAnswer(Shape):
    """One class and how probable it is."""

    label: str
    index: int
    probability: float


class PredictionAnswer(Shape):
    """What a predictor says of one picture."""

    picture: str
    model: str
    provider: str = Field(description="the execution provider that really ran")
    scores: list[ScoreAnswer]


class PredictionsAnswer(Shape):
    """What a predictor says of each picture sent, in their order."""

    predictions: list[PredictionAnswer]

    @classmethod
    def of(cls, predictions: list[Prediction]) -> Self:
        """Show predictions."""
        return cls(predictions=[PredictionAnswer.model_validate(one) for one in predictions])


class FinetuneBody(Shape):
    """A fine-tune to be queued."""

    kind: Literal["finetune"] = "finetune"
    model: str = Field(description="name, name:ref or name@revision")
    dataset: str = Field(description="name or name@id of a dataset of this zoo")
    name: str | None = Field(default=None, description="what the new model is called")
    seed: int = Field(default=0, ge=0, le=2**32 - 1)


class JobsQuery(Shape):
    """How many jobs."""

    limit: int = Field(default=100, ge=1, le=1000)


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


class JobAnswer(Shape):
    """A job, how far it is and what came of it."""

    id: int
    kind: JobKind
    state: JobState
    params: dict[str, Any]
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    events: list[EventAnswer]

    @classmethod
    def of(cls, job: Job) -> Self:
        """Show a job."""
        return cls.model_validate(job)


class JobsAnswer(Shape):
    """The newest jobs."""

    jobs: list[JobAnswer]


class SkippedAnswer(Shape):
    """A file that was left out, and why."""

    path: str
    reason: str


class DatasetSummaryAnswer(Shape):
    """A dataset in a list."""

    name: str
    id: str
    classes: list[str]
    counts: dict[str, dict[str, int]]
    skipped: int
    created_at: datetime

    @classmethod
    def of(cls, summary: DatasetSummary) -> Self:
        """Show a dataset in a list."""
        return cls.model_validate(summary)


class DatasetsAnswer(Shape):
    """All datasets, by name."""

    datasets: list[DatasetSummaryAnswer]


class DatasetAnswer(Shape):
    """A dataset without its pictures."""

    name: str
    id: str
    classes: list[str]
    counts: dict[str, dict[str, int]]
    skipped: list[SkippedAnswer]
    split_source: str
    created_at: datetime | None

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Show a dataset."""
        return cls(
            name=dataset.name,
            id=dataset.id,
            classes=list(dataset.classes),
            counts=dataset.counts(),
            skipped=[SkippedAnswer.model_validate(skipped) for skipped in dataset.skipped],
            split_source=dataset.split_source,
            created_at=dataset.created_at,
        )


class DatasetQuery(Shape):
    """What a dataset is called."""

    name: str = Field(description="what the dataset is called")


class HealthAnswer(Shape):
    """The server is up and its catalog answers."""

    status: Literal["ok"]
    version: str
