"""Models of this machine and their refs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo
from zoo.domain.revision import RefKind
from zoo.operations import fetch, models, refs

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.domain.revision import Model, Ref, RefMove, Revision
    from zoo.domain.search import Found, ModelWish


class Models(OverZoo):
    """What becomes of models, and what is in them; their branches, tags and aliases."""

    __slots__ = ()

    def search_models(self, wish: ModelWish, *, limit: int, most_values: int) -> Found:
        """Search models by name; ``most_values`` of each facet are counted, none where it is 0."""
        return fetch.search_models(self.zoo, wish, limit=limit, most_values=most_values)

    def get_model(self, name: str) -> Model:
        """Give a model."""
        return fetch.get_model(self.zoo, name)

    def get_revision(self, address: str) -> Revision:
        """Give the revision at an address."""
        return fetch.get_revision(self.zoo, address)

    def list_revisions(self, name: str) -> list[Revision]:
        """List the revisions of a model, the newest first."""
        return fetch.list_revisions(self.zoo, name)

    def read_file(self, revision: Revision, path: str) -> bytes:
        """Give the bytes of a small file of a revision."""
        return fetch.get_file(self.zoo, revision, path)[1].read_bytes()

    def write_file(self, revision: Revision, path: str, goal: Path) -> None:
        """Write a file of a revision to a path where there is none yet."""
        shutil.copyfile(fetch.get_file(self.zoo, revision, path)[1], goal)

    def rename_model(self, name: str, new_name: str) -> Model:
        """Give a model another name."""
        return models.rename_model(self.zoo, name, new_name)

    def set_private(self, name: str, *, is_private: bool) -> Model:
        """Have a model seen by few, or by everyone."""
        return models.set_private(self.zoo, name, is_private=is_private)

    def delete_model(self, name: str) -> Model:
        """Delete a model until it is swept."""
        return models.delete_model(self.zoo, name)

    def restore_model(self, name: str) -> Model:
        """Take a deleted model back."""
        return models.restore_model(self.zoo, name)

    def list_refs(self, name: str) -> list[Ref]:
        """List the refs of a model by name."""
        return refs.list_refs(self.zoo, name)

    def list_moves(self, name: str) -> list[RefMove]:
        """List every move of a model's refs, the newest first."""
        return fetch.list_moves(self.zoo, name)

    def add_tag(self, name: str, ref: str, *, target: str) -> Revision:
        """Add a tag."""
        return refs.add_ref(self.zoo, name, ref, target=target, kind=RefKind.TAG)

    def move_alias(self, name: str, ref: str, *, target: str, expected: str | None) -> Revision:
        """Point an alias to a revision."""
        return refs.move_alias(self.zoo, name, ref, target=target, expected=expected)

    def protect_ref(self, name: str, ref: str, *, is_protected: bool) -> Ref:
        """Have a ref moved by admins only, or by writers again."""
        return refs.protect_ref(self.zoo, name, ref, is_protected=is_protected)

    def delete_ref(self, name: str, ref: str) -> Ref:
        """Take a ref away."""
        return refs.delete_ref(self.zoo, name, ref)
