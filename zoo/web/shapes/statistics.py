"""What was counted."""

from datetime import date
from typing import Self

from pydantic import Field

from zoo.domain.statistics import ModelStatistics, Totals
from zoo.web.shapes.base import Shape


class ModelStatisticsAnswer(Shape):
    """How often the files of a model were downloaded."""

    model: str
    downloads: int = Field(description="of files, ever")
    recent_downloads: int = Field(description="in the last 30 days")
    by_revision: dict[str, int]
    by_file: dict[str, int]
    by_day: dict[date, int] = Field(description="of the last 30, in UTC")

    @classmethod
    def of(cls, found: ModelStatistics) -> Self:
        """Show what was counted of a model."""
        return cls.model_validate(found)


class TotalsAnswer(Shape):
    """What a zoo holds."""

    models: int
    revisions: int
    datasets: int
    blobs: int
    size_bytes: int = Field(description="of all blobs, each once")
    jobs: dict[str, int] = Field(description="how many by state")
    downloads: int = Field(description="of files, ever")

    @classmethod
    def of(cls, found: Totals) -> Self:
        """Show what was counted of a zoo."""
        return cls.model_validate(found)
