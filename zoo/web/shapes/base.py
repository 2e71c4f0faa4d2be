"""What all shapes share, errors, and the answer of a server that is up."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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


class HealthAnswer(Shape):
    """The server is up and its catalog answers."""

    status: Literal["ok"]
    version: str
