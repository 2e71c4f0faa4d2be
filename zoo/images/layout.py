"""What the folders of a dataset mean: classes, splits, wrappers. Pure functions on paths.

Two layouts are understood, each also inside any number of single wrapper folders:

    <class>/.../<picture>
    <split>/<class>/.../<picture>      split: train, val, test and their usual other names
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoo.domain.dataset import Skipped, Split, find_renamed, tell_renamed
from zoo.errors import ClassesDiffer, EmptyDataset, Invalid

SPLIT_FOLDERS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VAL,
    "valid": Split.VAL,
    "validation": Split.VAL,
    "dev": Split.VAL,
    "eval": Split.VAL,
    "holdout": Split.VAL,
    "test": Split.TEST,
    "testing": Split.TEST,
}
"""Names of split folders, in lower case; capitals are taken too, and a number behind: val2017."""

NUMBER = re.compile(r"[-_ ]?\d+$")
MOST_PARTS = 4  # folders that a dataset is split into, as far as anybody does

LITTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}
"""What other programs leave in folders, in lower case; hidden files and folders are litter too."""

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The class of a file, and its split where the folders tell one."""

    label: str
    split: Split | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The classes of a dataset, in order, and the place of each file that has one."""

    classes: tuple[str, ...]
    wrapper: str  # what all places begin with and means nothing: "", or folders with a last "/"
    places: Mapping[str, Place]
    skipped: tuple[Skipped, ...]

    @property
    def has_splits(self) -> bool:
        """Whether the folders split the pictures; a lone split folder does not."""
        return len({place.split for place in self.places.values()}) > 1


def arrange(paths: Iterable[str], *, name: str) -> Layout:
    """Tell the class and split of every file from its path (relative, with ``/``).

    A class is named by its folder, in Unicode's composed form (NFC), so that names from a Mac equal
    the same names from elsewhere. A lone split folder counts as a wrapper. Litter of other
    programs is left out without a word; ``list_hidden`` tells where pictures are among it.

    Raises:
        EmptyDataset: no file lies in a class folder, or none of the split folders is for training.
        ClassesDiffer: a split folder lacks classes of the training folder, or has others.
        Invalid: some folders are parts of a split by all they hold, but not by their names.
    """
    files = {path: tuple(path.split("/")) for path in sorted(paths)}
    files = {path: parts for path, parts in files.items() if not _is_litter(parts)}
    wrapper = _find_wrapper(list(files.values()))
    inner = {
        path: parts[len(wrapper) :]
        for path, parts in files.items()
        if parts[: len(wrapper)] == wrapper
    }
    splits = _split_folders(list(inner.values()), name=name)
    found = {path: _place(parts, splits) for path, parts in inner.items()}
    places = {path: place for path, place in found.items() if place is not None}
    _check_places(places, name=name)
    return Layout(
        classes=order_classes(place.label for place in places.values()),
        wrapper="".join(f"{folder}/" for folder in wrapper),
        places=places,
        skipped=tuple(
            Skipped(path=path, reason="not in a class folder")
            for path in files
            if path not in places
        ),
    )


def list_hidden(paths: Iterable[str]) -> tuple[Skipped, ...]:
    """List hidden folders that hold files called like pictures, which ``arrange`` leaves out."""
    counts: Counter[str] = Counter()
    for path in paths:
        *folders, file = path.split("/")
        hidden = next((at for at, one in enumerate(folders, 1) if one.startswith(".")), None)
        # A Mac keeps what it knows of `a.jpg` in `._a.jpg`.
        if hidden and not file.startswith(".") and file.casefold().endswith(PICTURE_ENDINGS):
            counts["/".join(folders[:hidden])] += 1
    return tuple(
        Skipped(
            path=folder,
            reason=f"a hidden folder, with {count} file{'s'[: count != 1]} called like pictures",
        )
        for folder, count in sorted(counts.items())
    )


def order_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Sort class names; those that are numbers come first, by value: 0, 1, 2, 10."""
    return tuple(sorted(set(names), key=_class_key))


def _class_key(name: str) -> tuple[bool, int, str, str]:
    """Sort numbers by value without computing it: by length, then digit by digit."""
    if name.isascii() and name.isdigit():
        digits = name.lstrip("0")
        return False, len(digits), digits, name
    return True, 0, name, name


def _is_litter(parts: Parts) -> bool:
    """Tell whether a file is hidden, lies in a hidden folder, or was left by another program."""
    return any(part.startswith(".") or part.casefold() in LITTER for part in parts)


def _find_wrapper(files: Sequence[Parts]) -> Parts:
    """Find the folders that only wrap: each the only one at its level, with folders inside."""
    wrapper: Parts = ()
    while True:
        inner = [parts[len(wrapper) :] for parts in files if parts[: len(wrapper)] == wrapper]
        folders = {parts[0] for parts in inner if len(parts) > 1}
        if len(folders) != 1 or not any(parts[2:] for parts in inner):
            return wrapper
        wrapper = (*wrapper, *folders)


def _split_folders(files: Sequence[Parts], *, name: str) -> dict[str, Split]:
    """Give the split of each split folder; empty where the folders are classes.

    "train" may also be a class, beside "car" and "bus". So two splits with class folders are asked
    for, or that all folders are split folders. Where "train" and "check" hold the same folders,
    either could be meant, so neither is guessed at.
    """
    folders = {parts[0] for parts in files if len(parts) > 1}
    named = {folder: split for folder in folders if (split := _split_of(folder)) is not None}
    holding = {named[parts[0]] for parts in files if parts[2:] and parts[0] in named}
    is_split = len(holding) > 1 or (bool(holding) and len(named) == len(folders))
    if holding and not is_split and len(folders) <= MOST_PARTS:
        _refuse_unnamed(files, folders - named.keys(), name=name)
    return named if is_split else {}


def _split_of(folder: str) -> Split | None:
    called = folder.casefold()
    return SPLIT_FOLDERS.get(called) or SPLIT_FOLDERS.get(NUMBER.sub("", called))


def _refuse_unnamed(files: Sequence[Parts], unnamed: set[str], *, name: str) -> None:
    """Refuse folders that hold the same folders as one named like a part of a split does."""
    inside: defaultdict[str, set[str]] = defaultdict(set)
    for parts in files:
        if len(parts) > 1:
            inside[parts[0]] |= {parts[1]} if parts[2:] else set()
    first, *others = inside.values()
    if len(first) > 1 and all(one == first for one in others):
        told = _listed(sorted(unnamed))
        raise Invalid(
            f"{name}: {told} may be classes, or parts of a split that is named otherwise.",
            hint="Call the parts train, val and test; or, if they are classes, put their pictures"
            " into them without folders between.",
            name=name,
            folders=sorted(unnamed),
        )


def _place(parts: Parts, splits: Mapping[str, Split]) -> Place | None:
    """Give the place of one file, or None where it lies in no class folder."""
    split = None
    if splits and parts:  # none are left of a file of an archive that is called as a folder of it
        split = splits.get(parts[0])
        parts = parts[1:] if split else ()
    if len(parts) < 2:  # noqa: PLR2004  # a class folder and a file
        return None
    return Place(label=unicodedata.normalize("NFC", parts[0]), split=split)


def _check_places(places: Mapping[str, Place], *, name: str) -> None:
    """Refuse a dataset without pictures, without a training part, or of unequal parts."""
    if not places:
        raise EmptyDataset(f"{name}: no file lies in a class folder.", name=name)
    classes: defaultdict[Split | None, set[str]] = defaultdict(set)
    for place in places.values():
        classes[place.split].add(place.label)
    if None in classes:
        return
    if Split.TRAIN not in classes:
        others = sorted(split.value for split in classes if split)
        raise EmptyDataset(
            f"{name}: there is no training folder beside {_listed(others)}.",
            hint="Add a folder train/ with one folder of pictures per class.",
            name=name,
        )
    expected = classes.pop(Split.TRAIN)
    for split, found in classes.items():
        if found != expected:
            raise _differ(name, split, missing=expected - found, extra=found - expected)


def _differ(name: str, split: Split | None, *, missing: set[str], extra: set[str]) -> ClassesDiffer:
    """Say which classes a split lacks, and which it has beyond those of the training folder."""
    lacks, has = order_classes(missing), order_classes(extra)
    faults = [
        f"lacks {_listed(lacks)}" if lacks else "",
        f"has {_listed(has)}, which the train folder lacks" if has else "",
    ]
    renamed = find_renamed(lacks, has)
    told, hint = tell_renamed(renamed)
    return ClassesDiffer(
        f"{name}: the {split} folder {' and '.join(filter(None, faults))}.{told}",
        hint=hint,
        name=name,
        split=split,
        missing=list(lacks),
        extra=list(has),
        **({"renamed": renamed} if renamed else {}),
    )


def _listed(names: Iterable[str], *, at_most: int = 10) -> str:
    """Write some names down, for a sentence."""
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - at_most} more" if len(quoted) > at_most else ""
    return ", ".join(quoted[:at_most]) + more
