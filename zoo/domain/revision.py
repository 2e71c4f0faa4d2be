"""Models, their revisions and the names that move over them."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from zoo.errors import BadName, FileNotFound, Invalid

MOST_LETTERS = 96  # of a model's name, and of its owner's
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MOST_LETTERS - 1}}}")
REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}")
COMMIT = re.compile(r"[0-9a-f]{40}")
MAIN = "main"
MOST_TOLD = 100  # files of a revision, to who asks for another
# What follows a model's or dataset's name in an address: of ours, of pages, of the Hub's protocol.
RESERVED = {
    "alias",
    "aliases",
    "archive",
    "auth-check",
    "branch",
    "commit",
    "commits",
    "compare",
    "config",
    "dense",
    "face.png",
    "files",
    "filters",
    "heatmap",
    "history",
    "imports",
    "infer",
    "layers",
    "lineage",
    "map",
    "metrics",
    "paths-info",
    "pictures",
    "predict",
    "predictions",
    "preupload",
    "quantize",
    "ready",
    "refs",
    "resolve",
    "revision",
    "revisions",
    "settings",
    "statistics",
    "stats",
    "surgeries",
    "tag",
    "tree",
    "try",
    "uploads",
    "versions",
    "xet-write-token",
}
# What addresses begin with that are not a model's.
RESERVED_OWNERS = {
    "api",
    "assets",
    "audit",
    "compare",
    "datasets",
    "docs",
    "health",
    "jobs",
    "kernels",
    "lfs",
    "models",
    "new",
    "sign-in",
    "sign-out",
    "spaces",
    "static",
    "tokens",
    "v1",
    "v2",
    "xet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes in the store, named by what they are."""

    digest: str  # sha256, 64 hex digits
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a revision."""

    path: str
    digest: str
    size_bytes: int


class RefKind(StrEnum):
    """What a ref is for."""

    BRANCH = "branch"  # moves with every revision that is published on it
    TAG = "tag"  # stays
    ALIAS = "alias"  # moves by hand: what is served as `production`


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A movable name of a revision."""

    name: str
    revision: str  # id
    kind: RefKind
    is_protected: bool  # moved and deleted by admins of its owner only


@dataclass(frozen=True, slots=True, kw_only=True)
class RefMove:
    """One move of a ref: where it pointed before, where it points since."""

    ref: str
    old: str | None
    new: str | None
    at: datetime
    number: int = field(default=0, compare=False)  # by which a list of them goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An immutable set of files of one model."""

    model: str
    id: str  # 40 hex digits, derived from the files
    files: tuple[File, ...]
    message: str
    created_at: datetime
    previous: str | None = None  # the revision of this model that came before
    parent: str | None = None  # lineage, "model@id" of the revision it was made from
    dataset: str | None = None  # lineage, "dataset@id" it was fine-tuned on
    job: int | None = None  # the job that made it
    summary: dict[str, Any] = field(default_factory=dict)  # architecture, metrics, parameters ...

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def address(self) -> str:
        """The one name that always means this revision."""
        return f"{self.model}@{self.id}"

    def find_file(self, path: str) -> File | None:
        """Give the file at this path, or None."""
        return next((file for file in self.files if file.path == path), None)

    def get_file(self, path: str) -> File:
        """Give the file at this path.

        Raises:
            FileNotFound: the revision has no such file.
        """
        file = self.find_file(path)
        if file is None:
            raise FileNotFound(
                f"{self.address} has no file {path!r}.",
                path=path,
                files=[file.path for file in self.files[:MOST_TOLD]],
            )
        return file


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name under which revisions are published."""

    name: str
    created_at: datetime
    head: Revision | None  # what ``main`` points to
    refs: dict[str, str] = field(default_factory=dict)  # ref -> revision id
    is_private: bool = False  # there only for those who have a role for its owner


def revision_id(files: Iterable[File]) -> str:
    """Derive a revision's id: the sha256 of its manifest, cut to 40 hex digits.

    The manifest is the list of (path, digest, size) sorted by path, so the same files have the same
    id wherever and whenever they are published, and any change of a file changes it.
    """
    manifest = sorted([file.path, file.digest, file.size_bytes] for file in files)
    text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def check_model_name(name: str) -> str:
    """Return the name if a model may be called so: ``name`` or ``owner/name``.

    Raises:
        BadName: it may not.
    """
    parts = name.split("/")
    if len(parts) > 2 or not all(is_plain(part) for part in parts):  # noqa: PLR2004  # owner/name
        raise BadName(f"A model cannot be called {name!r}.", name=name)
    if parts[1:] and parts[1] in RESERVED:
        raise BadName(
            f"A model cannot be called {name!r}: {parts[1]!r} means something else over REST.",
            hint=f"Choose a name whose part after '/' is none of {', '.join(sorted(RESERVED))}.",
            name=name,
        )
    if parts[1:] and parts[0] in RESERVED_OWNERS:
        raise BadName(
            f"A model cannot be called {name!r}: {parts[0]!r} means something else over REST.",
            hint=f"Choose an owner that is none of {', '.join(sorted(RESERVED_OWNERS))}.",
            name=name,
        )
    return name


def owner_and_name(model: str) -> tuple[str, str]:
    """Split a model's name into its owner, '' without one, and the rest."""
    owner, slash, name = model.partition("/")
    return (owner, name) if slash else ("", model)


def check_ref_name(name: str) -> str:
    """Return the name if a branch, tag or alias may be called so.

    Raises:
        BadName: it may not; a 40-hex name would hide a revision.
    """
    if not REF.fullmatch(name) or ".." in name or "//" in name or COMMIT.fullmatch(name):
        raise BadName(
            f"A ref cannot be called {name!r}.",
            hint="It has up to 128 letters, digits and . _ / + -, begins with a letter or digit,"
            " has neither .. nor //, and is not 40 hexadecimal digits.",
            name=name,
        )
    return name


def check_alias_name(name: str) -> str:
    """Return the name if an alias may be called so.

    Raises:
        BadName: no ref may.
        Invalid: it is the branch.
    """
    if check_ref_name(name) == MAIN:
        raise Invalid(f"{MAIN!r} is a branch, which moves by publishing.", hint="Name an alias.")
    return name


def check_file_path(path: str) -> str:
    """Return the path if a file of a revision may lie there: relative, plain, forward slashes.

    Raises:
        BadName: it would leave the revision, or no file system could hold it.
    """
    parts = path.split("/")
    plain = (
        0 < len(path) <= 1024  # noqa: PLR2004  # no file system takes more
        and path.isprintable()
        and "\\" not in path
        and ":" not in parts[0]
        and all(part not in {"", ".", ".."} for part in parts)
    )
    if not plain:
        raise BadName(
            f"A file of a revision cannot lie at {path!r}.",
            hint="Use a relative path with forward slashes and without '..'.",
            path=path,
        )
    return path


def is_plain(part: str) -> bool:
    """Tell whether one part of a model's name is well formed, as the Hub's clients ask."""
    return bool(NAME.fullmatch(part)) and not (
        "--" in part or ".." in part or part.endswith((".git", ".", "-"))
    )


def derive_name(text: str, *, otherwise: str) -> str:
    """Make a name without an owner of any text; ``otherwise`` where nothing of it can stay."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    single = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", plain))
    name = re.sub(r"(\.git|[._-])+$", "", single[:MOST_LETTERS]).lstrip("._-")
    return name or otherwise


def split_address(address: str) -> tuple[str, str]:
    """Split ``model``, ``model:ref`` or ``model@revision`` into model and ref or revision.

    Raises:
        BadName: the model's name, or what stands behind it, is not well formed.
    """
    name, _, ref = address.replace("@", ":", 1).partition(":")
    if ref and not REF.fullmatch(ref):
        raise BadName(f"There can be no ref or revision {ref!r}.", name=ref)
    return check_model_name(name), ref or MAIN
