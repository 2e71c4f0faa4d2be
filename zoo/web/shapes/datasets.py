"""Datasets of labelled pictures."""

from datetime import datetime
from typing import Self

from pydantic import Field

from zoo.domain.dataset import ArchiveKind, Dataset, DatasetSummary
from zoo.web.shapes.base import WITHOUT_NUL, Shape


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


class DatasetsQuery(Shape):
    """Which page of the datasets."""

    after: str = Field(
        default="",
        max_length=400,
        pattern=WITHOUT_NUL,
        description="the name, or name@id, the page begins after",
    )
    limit: int = Field(default=100, ge=1, le=1000)


class DatasetsAnswer(Shape):
    """A page of the datasets, by name, the newest of a name first."""

    datasets: list[DatasetSummaryAnswer]
    next: str | None = Field(description="give it as `after` for the next page")


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
    source: str = Field(
        default="the archive", max_length=1000, description="what errors call what was sent"
    )


class ArchiveQuery(Shape):
    """How a dataset is packed."""

    format: ArchiveKind = Field(
        default=ArchiveKind.ZIP, description="stored without compression either way"
    )
