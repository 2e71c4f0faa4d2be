"""Models, their revisions and files."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from zoo.domain.revision import Model, Revision
from zoo.domain.search import LONGEST_VALUE, Facet, Found, ModelWish, Runs, Size
from zoo.web.shapes.base import WITHOUT_NUL, Shape

MOST_LETTERS = 2000  # of a message
MOST_WANTED = 100  # values of one facet in one request
Value = Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE, pattern=WITHOUT_NUL)]
Wanted = Annotated[
    tuple[Value, ...],
    Field(max_length=MOST_WANTED, description="given several times, any of them"),
]
Number = Annotated[int | None, Field(ge=0, le=2**63 - 1)]


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


class FacetCountAnswer(Shape):
    """How many of the models that were found have a value."""

    value: str
    count: int


class FacetAnswer(Shape):
    """The values of one facet among the models that were found."""

    facet: str
    values: list[FacetCountAnswer] = Field(
        description="the most frequent first; of classes and parameters steps, from small to large"
    )
    different: int = Field(description="how many values there are, those left out too")


class ModelsAnswer(Shape):
    """A page of the models that were found, by name."""

    models: list[ModelAnswer]
    next: str | None = Field(description="give it as `after` for the next page")
    total: int = Field(description="how many were found, on all pages")
    facets: list[FacetAnswer] = Field(description="empty unless asked for")

    @classmethod
    def of(cls, found: Found) -> Self:
        """Show what a search found."""
        return cls.model_validate(found)


class RevisionsAnswer(Shape):
    """A page of the revisions of a model, the newest first."""

    revisions: list[RevisionAnswer]
    next: str | None = Field(description="give it as `after` for the next page")


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


class RevisionsQuery(Shape):
    """Which page of the revisions of a model."""

    after: str = Field(
        default="",
        max_length=40,
        pattern=WITHOUT_NUL,
        description="the id of the revision the page begins after, which is newer",
    )
    limit: int = Field(default=100, ge=1, le=1000)


class ModelsQuery(PageQuery):
    """Which models: those that all of this is true of."""

    search: str = Field(
        default="", max_length=200, pattern=WITHOUT_NUL, description="that the name holds"
    )
    owner: Wanted = ()
    architecture: Wanted = ()
    source: Wanted = ()
    runs: tuple[Runs, ...] = Field(default=(), max_length=MOST_WANTED)
    licence: Wanted = ()
    dataset: Wanted = ()
    strategy: Wanted = ()
    tag: Wanted = Field(default=(), description="given several times, all of them")
    min_classes: Number = None
    max_classes: Number = None
    min_parameters: Number = None
    max_parameters: Number = None
    facets: int = Field(
        default=0, ge=0, le=1000, description="how many values of each facet to count"
    )

    @property
    def wish(self) -> ModelWish:
        """Say which models are wanted."""
        told = self.model_dump(mode="json")
        sizes = {
            bound: {
                size: told[f"{bound}_{size.value}"]
                for size in Size
                if told[f"{bound}_{size.value}"] is not None
            }
            for bound in ("min", "max")
        }
        return ModelWish(
            search=self.search,
            values={facet: tuple(told[facet.value]) for facet in Facet if told[facet.value]},
            least=sizes["min"],
            most=sizes["max"],
        )


class UploadForm(Shape):
    """What is said of an upload beside its files."""

    message: str = Field(
        default="upload", max_length=MOST_LETTERS, pattern=WITHOUT_NUL, description="kept"
    )
