"""Advice before a fine-tune, and what came of the fine-tune."""

from typing import Self

from pydantic import Field

from zoo.operations.advise import Kept
from zoo.web.shapes.base import WITHOUT_NUL, Shape
from zoo.web.shapes.terms import TermsBody


class AdviceBody(TermsBody):
    """Advice that is asked for."""

    model: str | None = Field(
        default=None,
        pattern=WITHOUT_NUL,
        description="name, name:ref or name@revision; null ranks all models of the zoo",
    )
    dataset: str = Field(pattern=WITHOUT_NUL, description="name or name@id of a dataset")
    seed: int = Field(default=0, ge=0, le=2**32 - 1)


class KeptAnswer(Shape):
    """One fine-tune held against the advice that preceded it."""

    model: str
    dataset: str
    strategy: str = Field(description="what was done")
    advised: str = Field(description="what was advised")
    predicted: float = Field(description="accuracy, by cross-validation")
    low: float = Field(description="of its 95 % interval")
    high: float
    found: float = Field(description="accuracy on the validation pictures")
    found_low: float
    found_high: float
    is_within: bool = Field(description="whether the intervals meet")


class RecordAnswer(Shape):
    """How true the zoo's advice was."""

    record: list[KeptAnswer]

    @classmethod
    def of(cls, record: list[Kept]) -> Self:
        """Show a record."""
        return cls(record=[KeptAnswer.model_validate(one) for one in record])
