"""What differs between two revisions, and the tree of what was made of what."""

from datetime import datetime
from typing import Any, Self

from pydantic import Field

from zoo.domain.comparison import Change, Comparison, Lineage
from zoo.web.shapes.base import WITHOUT_NUL, Shape


class CompareQuery(Shape):
    """What to compare with."""

    against: str = Field(
        pattern=WITHOUT_NUL, description="the old one: name, name:ref or name@revision"
    )


class TensorPrintAnswer(Shape):
    """What a tensor is told by."""

    kind: str = Field(description="of number, as stored")
    shape: list[int]
    digest: str = Field(description="SHA-256 of its numbers as stored, row by row")


class TensorChangeAnswer(Shape):
    """What became of a tensor."""

    name: str
    change: Change
    old: TensorPrintAnswer | None
    new: TensorPrintAnswer | None
    old_name: str | None = Field(description="where it was renamed")
    relative: float | None = Field(description="|new - old| / |old|, by the Euclidean norm")
    changed_share: float | None = Field(description="of its numbers, whose bits are others")


class FileChangeAnswer(Shape):
    """What became of a file."""

    path: str
    change: Change
    old_digest: str | None
    new_digest: str | None
    old_size_bytes: int | None
    new_size_bytes: int | None


class ValueChangeAnswer(Shape):
    """A value of config.json or of the summary that differs."""

    key: str
    old: Any
    new: Any


class ComparisonAnswer(Shape):
    """What differs between two revisions."""

    old: str
    new: str
    tensors: list[TensorChangeAnswer] | None = Field(
        description="every one, the same ones too; null where a side has no weights that are read"
    )
    files: list[FileChangeAnswer]
    values: list[ValueChangeAnswer]

    @classmethod
    def of(cls, found: Comparison) -> Self:
        """Show a comparison."""
        return cls.model_validate(
            {
                "old": found.old.address,
                "new": found.new.address,
                "tensors": found.tensors,
                "files": found.files,
                "values": found.values,
            }
        )


class LineageNodeAnswer(Shape):
    """A revision in the tree."""

    address: str
    message: str
    created_at: datetime
    accuracy: float | None
    dataset: str | None
    changed_tensors: int | None = Field(
        description="that are not the parent's; null where it is not known yet, or has none"
    )
    tensors: int | None
    children: list["LineageNodeAnswer"]


class LineageAnswer(Shape):
    """Where a revision comes from, and what was made of its oldest ancestor."""

    revision: str
    root: LineageNodeAnswer
    is_whole: bool = Field(description="false where the tree was cut, being too large")

    @classmethod
    def of(cls, found: Lineage) -> Self:
        """Show a tree."""
        return cls.model_validate(found)
