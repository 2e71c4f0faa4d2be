"""Uploads that go on where they stopped, and revisions of what was uploaded."""

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints

from zoo.domain.revision import MAIN
from zoo.operations.uploads import Standing
from zoo.web.shapes.base import WITHOUT_NUL, Shape

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MOST_FILES = 10_000


class DigestsBody(Shape):
    """Which bytes are to be sent."""

    digests: list[Digest] = Field(max_length=MOST_FILES)


class StandingAnswer(Shape):
    """How far an upload is."""

    digest: str
    is_kept: bool = Field(description="nothing has to be sent")
    received_bytes: int = Field(description="the next bytes are those after")

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """Show how far an upload is."""
        return cls.model_validate(standing)


class StandingsAnswer(Shape):
    """How far uploads are."""

    uploads: list[StandingAnswer]


class UploadQuery(Shape):
    """Which part of an upload the body is."""

    size_bytes: int = Field(ge=0, description="of the whole file")
    offset: int = Field(default=0, ge=0, description="of the body's first byte in it")


class ManifestBody(Shape):
    """A whole revision by the digests of its files."""

    files: dict[str, Digest] = Field(max_length=MOST_FILES, description="path to sha256")
    message: str = Field(default="push", max_length=10_000, pattern=WITHOUT_NUL)
    summary: dict[str, Any] = Field(default_factory=dict)
    ref: str = Field(default=MAIN, max_length=128, pattern=WITHOUT_NUL)
    on_top_of: str | None = Field(
        default=None, max_length=40, description="the id that the ref has to point to still"
    )
