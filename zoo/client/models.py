"""Models of another zoo and their refs."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from zoo.client.reading import Asking, Refs, model_path
from zoo.client.transfer import damaged, fetch_into, file_path
from zoo.domain.revision import (
    Model,
    Ref,
    RefKind,
    RefMove,
    Revision,
    check_model_name,
    check_ref_name,
)
from zoo.domain.search import Found, ModelWish
from zoo.errors import BadName, RevisionNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revisions:
    revisions: list[Revision]
    next: str | None = None


class Models(Asking):
    """What becomes of models there, and what is in them."""

    __slots__ = ()

    def search_models(self, wish: ModelWish, *, limit: int, most_values: int) -> Found:
        """Search models by name; ``most_values`` of each facet are counted, none where it is 0."""
        query: dict[str, object] = {
            "limit": limit,
            "facets": most_values,
            "search": wish.search,
            **{facet.value: values for facet, values in wish.values.items()},
            **{f"min_{size.value}": number for size, number in wish.least.items()},
            **{f"max_{size.value}": number for size, number in wish.most.items()},
        }
        found = self.ask(Found, "GET", "/v1/models", query=query)
        return replace(found, models=tuple(map(self._checked_model, found.models)))

    def get_model(self, name: str) -> Model:
        """Give a model."""
        return self._checked_model(self.ask(Model, "GET", model_path(name)))

    def list_revisions(self, name: str) -> list[Revision]:
        """List the revisions of a model, the newest first."""
        path = f"{model_path(name)}/revisions"
        pages = self.pages(_Revisions, path)
        return [self.checked(revision) for page in pages for revision in page.revisions]

    def read_file(self, revision: Revision, path: str) -> bytes:
        """Give the bytes of a small file of a revision.

        Raises:
            FileNotFound: it has no such file.
            DigestMismatch: other bytes came.
        """
        file = revision.get_file(path)
        data = b"".join(self.remote.fetch(file_path(revision, file)))
        if hashlib.sha256(data).hexdigest() != file.digest:
            raise damaged(self.remote, revision, file)
        return data

    def write_file(self, revision: Revision, path: str, goal: Path) -> None:
        """Write a file of a revision to a path where there is none yet.

        Raises:
            FileNotFound: it has no such file.
            DigestMismatch: other bytes came.
        """
        file = revision.get_file(path)
        with goal.open("xb+", buffering=0) as opened:
            fetch_into(self.remote, revision, file, opened)

    def rename_model(self, name: str, new_name: str) -> Model:
        """Give a model another name."""
        return self._patch(name, {"name": check_model_name(new_name)})

    def set_private(self, name: str, *, is_private: bool) -> Model:
        """Have a model seen by those alone who have a role for its owner, or by everyone."""
        return self._patch(name, {"is_private": is_private})

    def delete_model(self, name: str) -> Model:
        """Delete a model until it is swept."""
        return self._checked_model(self.ask(Model, "DELETE", model_path(name)))

    def restore_model(self, name: str) -> Model:
        """Take a deleted model back."""
        return self._patch(name, {"is_deleted": False})

    def list_refs(self, name: str) -> list[Ref]:
        """List the refs of a model by name."""
        return self._refs(name).refs

    def list_moves(self, name: str) -> list[RefMove]:
        """List every move of a model's refs, the newest first."""
        page = self._refs(name)
        found = list(page.moves)
        while page.next is not None:
            before = page.next
            page = self._refs(name, before=before)
            if page.next is not None and page.next >= before:
                raise self.remote.unlike(f"the moves before {before} lead to themselves")
            found += page.moves
        return found

    def add_tag(self, name: str, ref: str, *, target: str) -> Revision:
        """Add a tag."""
        return self._put_ref(name, ref, {"kind": RefKind.TAG, "revision": target})

    def move_alias(self, name: str, ref: str, *, target: str, expected: str | None) -> Revision:
        """Point an alias to a revision."""
        return self._put_ref(name, ref, {"revision": target, "expected": expected})

    def protect_ref(self, name: str, ref: str, *, is_protected: bool) -> Ref:
        """Have a ref moved by admins only, or by writers again."""
        return self.ask(Ref, "PATCH", self._ref_path(name, ref), {"is_protected": is_protected})

    def delete_ref(self, name: str, ref: str) -> Ref:
        """Take a ref away."""
        return self.ask(Ref, "DELETE", self._ref_path(name, ref))

    def _refs(self, name: str, **query: object) -> Refs:
        return self.ask(Refs, "GET", f"{model_path(name)}/refs", query=query)

    def _put_ref(self, name: str, ref: str, body: dict[str, object]) -> Revision:
        path = f"{model_path(name)}/refs/{quote(check_ref_name(ref))}"
        return self.checked(self.ask(Revision, "PUT", path, body))

    def _patch(self, name: str, body: dict[str, object]) -> Model:
        return self._checked_model(self.ask(Model, "PATCH", model_path(name), body))

    def _checked_model(self, model: Model) -> Model:
        if model.head is not None:
            self.checked(model.head)
        return model

    def _ref_path(self, name: str, ref: str) -> str:
        """Give the path of a ref that should be there; dots in a path would lead elsewhere."""
        try:
            return f"{model_path(name)}/refs/{quote(check_ref_name(ref))}"
        except BadName:
            model = self.get_model(name).name
            raise RevisionNotFound(f"{model!r} has no ref {ref!r}.", name=model, ref=ref) from None
