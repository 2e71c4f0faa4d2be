"""A model-zoo package: which of a folder's files is what, and what its readme says of it.

Source: the "Model Zoo" page of Caffe's documentation. Real packages deviate from it, so every key
of a readme is optional, and what is missing is told.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.errors import DigestMismatch, IncompletePackage, TooLarge
from zoo.formats.caffe.caffemodel import refuse_other_formats
from zoo.formats.frontmatter import read_front_matter
from zoo.formats.labels import check_labels, read_labels

WEIGHTS = (".caffemodel", ".caffemodel.h5")
LABEL_FILES = ("labels.txt", "synset_words.txt", "synsets.txt")
LARGEST_TEXT = 4 * 2**20  # bytes
MOST_NAMES = 20  # in a message
SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a package: its name inside, and where it lies on this machine."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The files of a package by what they are for, and what the readme says."""

    title: str
    prototxt: Member | None  # None where the weights came alone
    weights: Member
    readme: Member | None = None
    front_matter: Mapping[str, Any] = field(default_factory=dict)
    prose: str = ""
    licence: str | None = None
    sha1: str | None = None  # announced for the weights, and true
    mean: Member | None = None
    train_val: Member | None = None
    labels: tuple[str, ...] | None = None
    labels_file: Member | None = None
    missing: tuple[str, ...] = ()  # what the package does not tell, a phrase each


def read_package(files: Mapping[str, Path], *, labels: tuple[str, ...] | None = None) -> Package:
    """Find out what each file of a package is; keys are relative paths with forward slashes.

    ``labels`` are those that were given beside it; its own are not looked into then.

    Raises:
        IncompletePackage: the weights are missing, or there are several, or several prototxt files.
        MalformedCard: the readme's front matter cannot be read.
        DigestMismatch: the weights are not those the readme announces.
        UnknownFormat: the weights are plainly something else.
    """
    members = [Member(name=name, path=path) for name, path in sorted(files.items())]
    readme = _find(members, "readme.md")
    front_matter, prose = _read_readme(readme)
    weights = _choose_weights(members, front_matter)
    sha1 = _announced_sha1(front_matter)
    if sha1:
        _verify_sha1(weights, sha1)
    labels_file = next(filter(None, (_find(members, name) for name in LABEL_FILES)), None)
    if labels is None:
        labels = _labels(labels_file, readme, front_matter)
    licence = front_matter.get("license")
    return Package(
        title=str(front_matter.get("name") or _basename(weights).partition(".")[0]),
        prototxt=_choose_prototxt(members),
        weights=weights,
        readme=readme,
        front_matter=front_matter,
        prose=prose,
        licence=str(licence) if licence else None,
        sha1=sha1,
        mean=_choose_mean(members),
        train_val=_choose_train_val(members),
        labels=labels,
        labels_file=labels_file,
        missing=_missing(readme=readme, licence=licence, sha1=sha1, labels=labels),
    )


def _missing(**known: object) -> tuple[str, ...]:
    phrases = {
        "readme": "no readme.md",
        "licence": "no licence",
        "sha1": "no sha1 to check the weights against",
        "labels": "no class names",
    }
    return tuple(phrases[key] for key, value in known.items() if not value)


def _basename(member: Member) -> str:
    return PurePosixPath(member.name).name


def _find(members: list[Member], basename: str) -> Member | None:
    """Find a file by its name in any case, the one nearest to the top of the package."""
    found = [member for member in members if _basename(member).lower() == basename]
    return min(found, key=lambda member: member.name.count("/"), default=None)


def _choose_prototxt(members: list[Member]) -> Member | None:
    """Take deploy.prototxt, else the only description of a network for prediction.

    Packages that ship a training description alone are common enough to take that one last. Where
    there is none at all, the weights may still hold the network they were trained in.
    """
    every = [member for member in members if member.name.endswith(".prototxt")]
    networks = [member for member in every if "solver" not in _basename(member)]
    others = [member for member in networks if "train" not in _basename(member)]
    for candidates in (
        [member for member in others if _basename(member) == "deploy.prototxt"],
        [member for member in others if "deploy" in _basename(member)],
        others,
        networks,
    ):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            break
    if not networks:
        return None
    raise _incomplete("a deploy.prototxt", networks, members)


def _choose_weights(members: list[Member], front_matter: Mapping[str, Any]) -> Member:
    """Take the file the readme names, with or without its ending, else the only one."""
    named = str(front_matter.get("caffemodel", ""))
    wanted = {named, *(named + ending for ending in WEIGHTS)}
    stated = [member for member in members if named and _basename(member) in wanted]
    every = [member for member in members if member.name.endswith(WEIGHTS)]
    candidates = stated if len(stated) == 1 else every
    if len(candidates) == 1:
        return candidates[0]
    url = front_matter.get("caffemodel_url")
    hint = f"Download it from {url} and put it beside the prototxt." if url else None
    what = f"the weights {named!r}" if named else "weights (*.caffemodel or *.caffemodel.h5)"
    raise _incomplete(what, candidates, members, hint=None if candidates else hint)


def _choose_train_val(members: list[Member]) -> Member | None:
    every = [member for member in members if member.name.endswith("train_val.prototxt")]
    return every[0] if len(every) == 1 else _find(every, "train_val.prototxt")


def _choose_mean(members: list[Member]) -> Member | None:
    means = [member for member in members if member.name.endswith(".binaryproto")]
    return means[0] if len(means) == 1 else _find(means, "mean.binaryproto")


def _incomplete(
    what: str, candidates: list[Member], members: list[Member], *, hint: str | None = None
) -> IncompletePackage:
    seen = [member.name for member in candidates or members]
    names = ", ".join(seen[:MOST_NAMES]) + (", ..." if len(seen) > MOST_NAMES else "")
    if candidates:
        message = f"The package has several files that could be {what}: {names}."
        hint = "Leave only one of them in the folder."
    else:
        message = f"The package lacks {what}; it has {names or 'no files'}."
    return IncompletePackage(message, hint=hint, seen=seen)


def _read_readme(readme: Member | None) -> tuple[dict[str, Any], str]:
    return read_front_matter(_read_text(readme), name=readme.name) if readme else ({}, "")


def _read_text(member: Member) -> str:
    with member.path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise TooLarge(
            f"{member.name} is longer than {LARGEST_TEXT} bytes.",
            hint="Shorten it, or leave it out of the package.",
            file=member.name,
        )
    return content.decode("utf-8-sig", errors="replace")


def _labels(
    labels_file: Member | None, readme: Member | None, front_matter: Mapping[str, Any]
) -> tuple[str, ...] | None:
    if labels_file:
        return read_labels(_read_text(labels_file)) or None
    if readme and "labels" in front_matter:
        return check_labels(front_matter["labels"], name=readme.name)
    return None


def _announced_sha1(front_matter: Mapping[str, Any]) -> str | None:
    """Give the readme's SHA-1, or None where it states something else there."""
    stated = str(front_matter.get("sha1", "")).strip().lower()
    return stated if SHA1.fullmatch(stated) else None


def _verify_sha1(weights: Member, expected: str) -> None:
    with weights.path.open("rb") as file:
        # The Model Zoo's own checksum, against damage rather than attack.
        found = hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
    if found != expected:
        refuse_other_formats(weights.path, name=weights.name)
        raise DigestMismatch(
            f"{weights.name} has the SHA-1 {found}, the readme announces {expected}.",
            hint="Download the weights again; if it stays so, the readme is for other weights.",
            file=weights.name,
            expected=expected,
            found=found,
        )
