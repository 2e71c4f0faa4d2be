"""Reading what another zoo tells as our own values; it may be no friend, and is believed nothing.

An answer must have the form of the value to the type; what it tells beyond that, as a later release
may, is left out. Digests and paths come to name files here, so they are looked at once more.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from zoo.client.remote import Query, Remote
from zoo.domain.revision import (
    COMMIT,
    Ref,
    RefMove,
    Revision,
    check_file_path,
    check_model_name,
    split_address,
)
from zoo.domain.terms import Terms
from zoo.errors import RevisionNotFound

DIGEST = re.compile(r"[0-9a-f]{64}")

PAGE = 1000  # as many as a page may have


class Page(Protocol):
    """A part of a list, and what the next one begins after."""

    @property
    def next(self) -> str | None:
        """What the next page begins after; None at the end."""


T = TypeVar("T")
P = TypeVar("P", bound=Page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """The refs of a model, and a page of the moves they made."""

    refs: list[Ref]
    moves: list[RefMove]
    next: int | None = None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401  # a type, or a list of one
    return TypeAdapter(kind)


@dataclass(slots=True)
class Asking:
    """Another zoo, and its answers as values."""

    remote: Remote
    terms: Terms = field(default_factory=Terms)  # on which jobs are queued

    def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
    ) -> T:
        """Send a request and read its answer as a value.

        Raises:
            ServerUnreachable: nobody answers, or no zoo.
            ZooError: what the other zoo said, by the same class.
        """
        return self.read(kind, self.remote.ask(method, path, body, query=query))

    def pages(self, kind: type[P], path: str) -> Iterator[P]:
        """Read a list page by page, as long as there is a next one.

        Raises:
            ServerUnreachable: a page leads to itself.
        """
        after: str | None = ""
        while after is not None:
            page = self.ask(kind, "GET", path, query={"after": after, "limit": PAGE})
            if page.next == after:
                raise self.remote.unlike(f"the page after {after!r} leads to itself")
            yield page
            after = page.next

    def read(self, kind: type[T], told: object) -> T:
        """Read what was answered as a value.

        Raises:
            ServerUnreachable: it is not of that form.
        """
        try:
            # Strictly, a number is no text and a text no number; of JSON alone, lists are tuples.
            known: Any = kind  # Types are hashable, which mypy does not see.
            value: T = _adapter(known).validate_json(json.dumps(told), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "its answer"
            raise self.remote.unlike(f"{place}: {first['msg']}") from error
        return value

    def checked(self, revision: Revision) -> Revision:
        """Return a revision whose names can be those of files here.

        Raises:
            ServerUnreachable: its id or a digest is none.
            BadName: no file of a revision can lie there.
        """
        if not COMMIT.fullmatch(revision.id):
            raise self.remote.unlike(f"{revision.id!r} is no revision")
        for file in revision.files:
            if not DIGEST.fullmatch(file.digest) or file.size_bytes < 0:
                raise self.remote.unlike(f"{file.digest!r} is no digest of a file")
            check_file_path(file.path)
        return revision

    def all_checked(self, revisions: Iterable[Revision]) -> list[Revision]:
        """Return revisions whose names can be those of files here.

        Raises:
            ServerUnreachable, BadName: one is not so.
        """
        return [self.checked(revision) for revision in revisions]

    def get_revision(self, address: str) -> Revision:
        """Give a revision of a model there."""
        name, ref = split_address(address)
        path = f"{model_path(name)}/revisions/{self._one_word(name, ref)}"
        return self.checked(self.ask(Revision, "GET", path))

    def at(self, address: str, verb: str) -> str:
        """Give the path of what is asked of a revision."""
        name, ref = split_address(address)
        return f"/v1/models/{quote(name)}:{self._one_word(name, ref)}/{verb}"

    def _one_word(self, name: str, ref: str) -> str:
        """Give a ref as one part of a path; one with slashes is looked up, as it cannot be one."""
        if "/" not in ref:
            return quote(ref, safe="")
        told = self.remote.ask("GET", f"{model_path(name)}/refs")
        for one in self.read(Refs, told).refs:
            if one.name == ref:
                return quote(one.revision, safe="")
        raise RevisionNotFound(
            f"{name!r} has no revision, tag or alias {ref!r}.", name=name, ref=ref
        )


def model_path(name: str) -> str:
    """Give the path of a model.

    Raises:
        BadName: no model can be called so.
    """
    return f"/v1/models/{quote(check_model_name(name))}"
