"""Labelled pictures: an immutable manifest, classes held by name in a stated order."""

import difflib
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ALIKE = 0.85  # of two names' letters, from where on one may be the other: ant and ants
MOST_COMPARED, MOST_TOLD = 100, 5  # names of classes


class Split(StrEnum):
    """What a picture is for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


FAITHFUL = "Zoo-Faithful"  # the header that says whether an archive is the same dataset again


class ArchiveKind(StrEnum):
    """How the pictures of a dataset are packed."""

    ZIP = "zip"
    TAR = "tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One labelled picture, its bytes in the blob store."""

    path: str  # where it lay in the folder or archive
    label: str  # its class, by name
    split: Split
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """An immutable set of labelled pictures."""

    name: str
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    skipped: tuple[Skipped, ...] = ()
    split_source: str = "given"  # "given" by folders, or "drawn": stratified by the zoo
    created_at: datetime | None = None

    @property
    def id(self) -> str:
        """40 hex digits derived from classes and pictures, whatever the name."""
        manifest = [
            list(self.classes),
            sorted([p.split.value, p.label, p.path, p.digest] for p in self.pictures),
        ]
        text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    @property
    def address(self) -> str:
        """The one name that always means this dataset."""
        return f"{self.name}@{self.id}"

    def of_split(self, split: Split) -> tuple[Picture, ...]:
        """Give the pictures of one split, in manifest order."""
        return tuple(picture for picture in self.pictures if picture.split is split)

    def counts(self) -> dict[str, dict[str, int]]:
        """Count pictures by split, then by class; every class is named."""
        seen = Counter((picture.split, picture.label) for picture in self.pictures)
        splits = sorted({split for split, _ in seen})
        return {
            split.value: {label: seen[split, label] for label in self.classes} for split in splits
        }

    def describe(self) -> "DatasetDescription":
        """Say what there is to say beside the pictures."""
        return DatasetDescription(
            name=self.name,
            id=self.id,
            classes=self.classes,
            counts=self.counts(),
            skipped=self.skipped,
            split_source=self.split_source,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDescription:
    """What there is to say of a dataset beside its pictures."""

    name: str
    id: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]  # split -> class -> pictures
    skipped: tuple[Skipped, ...]
    split_source: str

    @property
    def address(self) -> str:
        """The one name that always means this dataset."""
        return f"{self.name}@{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureWish:
    """Which pictures of a dataset are wanted: those that all of this is true of."""

    label: str | None = None
    split: Split | None = None
    first: int = 0  # place in the manifest that the list begins at


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """A dataset without its pictures, for lists."""

    name: str
    id: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]  # split -> class -> pictures
    skipped: int
    created_at: datetime


def find_renamed(missing: Iterable[str], extra: Iterable[str]) -> dict[str, str]:
    """Give, for names of classes that are missing, those beyond them that may be the same class.

    They are written alike but for capitals, marks between words or a few letters, as a plural has;
    numbers in them are the same. Each is told once, and of many names the first are looked at.
    """
    left = {name: _plain(name) for name in list(extra)[:MOST_COMPARED]}
    found: dict[str, str] = {}
    for name in list(missing)[:MOST_COMPARED]:
        plain = _plain(name)
        forms = {form: other for other, form in left.items() if _numbers(form) == _numbers(plain)}
        for form in difflib.get_close_matches(plain, forms, 1, ALIKE):
            found[name] = forms[form]
            del left[found[name]]
    return found


def tell_renamed(renamed: Mapping[str, str]) -> tuple[str, str | None]:
    """Say which classes may be the same by another name, and what to do; neither for none."""
    if not renamed:
        return "", None
    pairs = list(renamed.items())[:MOST_TOLD]
    told = ", ".join(f"{other!r} may be {name!r} by another name" for name, other in pairs)
    doing = ", ".join(f"{other!r} to {name!r}" for name, other in pairs)
    return f" {told}.", f"If they are the same class, give it one name: rename {doing}."


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)
