"""What a sweep removes."""

from typing import Self

from pydantic import Field

from zoo.operations.sweep import Swept
from zoo.web.shapes.base import Shape


class SweepBody(Shape):
    """Whether anything is removed."""

    is_dry: bool = Field(default=False, description="only says what would be removed")


class SweptAnswer(Shape):
    """What a sweep removed, or would remove."""

    models: list[str]
    blobs: list[str] = Field(description="by their sha256")
    size_bytes: int

    @classmethod
    def of(cls, swept: Swept) -> Self:
        """Show what was swept."""
        return cls.model_validate(swept)
