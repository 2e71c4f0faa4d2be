"""What is counted: downloads of files, and what a zoo holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file of a revision that was downloaded on a day."""

    model: str
    revision: str  # its whole id
    path: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatistics:
    """How often the files of a model were downloaded."""

    model: str
    downloads: int  # ever
    recent_downloads: int  # in the last 30 days
    by_revision: Mapping[str, int]
    by_file: Mapping[str, int]
    by_day: Mapping[date, int]  # of the last 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a zoo holds, and how often it was asked for it."""

    models: int
    revisions: int
    datasets: int
    blobs: int
    size_bytes: int  # of all blobs, each once
    jobs: Mapping[str, int]  # state -> how many
    downloads: int
