"""Models, their revisions and files."""

from datetime import datetime
from typing import Any, Self

from pydantic import Field

from zoo.domain.revision import Model, Revision
from zoo.web.shapes.base import WITHOUT_NUL, Shape

MOST_LETTERS = 2000  # of a message


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
    is_private: bool = Field(description="there only for those who have a role for its owner")
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


class ModelsQuery(PageQuery):
    """Which models."""

    search: str = Field(
        default="", max_length=200, pattern=WITHOUT_NUL, description="that the name holds"
    )
    owner: str | None = Field(default=None, max_length=96, pattern=WITHOUT_NUL)


class UploadForm(Shape):
    """What is said of an upload beside its files."""

    message: str = Field(
        default="upload", max_length=MOST_LETTERS, pattern=WITHOUT_NUL, description="kept"
    )
