"""Reading what clients of the Hub send: JSON with keys that may be of a later version."""

from typing import Annotated, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field

from zoo.web.context import check_fields, limit_body, parse_object
from zoo.web.shapes.base import WITHOUT_NUL

Model = TypeVar("Model", bound=BaseModel)
MOST_BYTES = 2**22
NAME, PATH, TEXT = 200, 1024, 10_000  # characters
Name = Annotated[str, Field(max_length=NAME, pattern=WITHOUT_NUL)]


class Sent(BaseModel):
    """What all bodies share; what is not known here is left unread."""

    model_config = ConfigDict(extra="ignore")


class CreateBody(Sent):
    """A repository to be."""

    name: Name
    organization: Name | None = None
    type: str | None = None
    visibility: str | None = None
    private: bool | None = None

    @property
    def is_private(self) -> bool:
        """Tell whether it is to be private, in the words of old clients or new."""
        return bool(self.private) or self.visibility == "private"


class DeleteBody(Sent):
    """A repository to delete."""

    name: Name
    organization: Name | None = None
    type: str | None = None


class MoveBody(Sent):
    """A repository to rename."""

    from_repo: Name = Field(alias="fromRepo")
    to_repo: Name = Field(alias="toRepo")
    type: str | None = None


class SettingsBody(Sent):
    """What is to become of a repository."""

    private: bool | None = None
    visibility: str | None = None
    gated: str | bool | None = None


class BranchBody(Sent):
    """Where a new branch begins."""

    starting_point: Name | None = Field(default=None, alias="startingPoint")


class TagBody(Sent):
    """A new tag."""

    tag: Name


class PreuploadFile(Sent):
    """A file that is about to be sent."""

    path: str = Field(max_length=PATH, pattern=WITHOUT_NUL)
    sample: str = ""
    size: int = Field(ge=0)


class PreuploadBody(Sent):
    """Files that are about to be sent."""

    files: list[PreuploadFile] = Field(max_length=10_000)


class YamlBody(Sent):
    """A card to look at."""

    content: str


class LfsObject(Sent):
    """Bytes by their digest."""

    oid: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class LfsBatchBody(Sent):
    """Bytes to be sent or fetched."""

    operation: str
    transfers: list[str] = Field(default_factory=list)
    hash_algo: str = "sha256"
    objects: list[LfsObject] = Field(max_length=10_000)


class LfsPart(Sent):
    """A part that was sent, by the ETag it was answered with."""

    number: int = Field(alias="partNumber", ge=1)
    etag: str


class LfsCompleteBody(Sent):
    """All parts of an upload."""

    oid: str
    parts: list[LfsPart] = Field(max_length=100_000)


def read_json(model: type[Model], *, most_bytes: int = MOST_BYTES) -> Model:
    """Check a JSON body, whatever type it is said to be of.

    Raises:
        BadRequest: it is no JSON object, or not of this form.
    """
    limit_body(most_bytes)
    return parse_json(model, request.get_data(cache=False) or b"{}")


def parse_json(model: type[Model], text: bytes) -> Model:
    """Check a JSON text.

    Raises:
        BadRequest: it is no JSON object, or not of this form.
    """
    return check_fields(model, parse_object(text))
