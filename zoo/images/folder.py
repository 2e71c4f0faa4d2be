"""The files of a folder, sorted by path; links that lead out of it are not followed."""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from zoo.domain.dataset import Skipped
from zoo.errors import PathNotFound, UnreadablePicture
from zoo.images.file import open_plain
from zoo.images.member import (
    Limits,
    Member,
    PictureSource,
    Stamp,
    check_member_size,
    read_at_most,
)
from zoo.images.names import is_unicode, printable

UNSETTLED_NS = 2 * 10**9  # the coarsest clock of a file system that is still in use


def read_folder(folder: Path, limits: Limits) -> PictureSource:
    """List the plain files under a folder, and say what else was found there.

    A link to a file counts as that file if it lies under the folder too. Links to folders, links
    that lead out, and what is no plain file are skipped.

    Raises:
        PathNotFound: the folder is not there or cannot be listed.
    """
    root = folder.resolve()
    members, skipped = [], []
    for found in sorted(_walk(root, folder), key=_key):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif reason := _refusal(found, root):
            skipped.append(Skipped(path=printable(_relative(found, root)), reason=reason))
        else:
            members.append(_member(found, root, limits))
    return PictureSource(name=str(folder), members=tuple(members), skipped=tuple(skipped))


def _walk(root: Path, folder: Path) -> Iterator[Path | Skipped]:
    """Find everything under the root that is not a folder itself, links to folders included."""
    failed: list[OSError] = []
    for here, folders, files in os.walk(root, onerror=failed.append):
        yield from (Path(here, name) for name in files)
        yield from (path for name in folders if (path := Path(here, name)).is_symlink())
        if not (folders or files) and Path(here) != root:
            yield Skipped(path=printable(_relative(Path(here), root)), reason="an empty folder")
    for error in failed:
        if Path(error.filename) == root:
            raise PathNotFound(f"{folder}: {error.strerror}.", path=str(folder)) from error
        name = printable(_relative(Path(error.filename), root))
        yield Skipped(path=name, reason=f"folder cannot be listed: {error.strerror}")


def _key(found: Path | Skipped) -> str:
    """Sort by path."""
    return found.path if isinstance(found, Skipped) else str(found)


def _relative(path: Path, root: Path) -> str:
    """Give a path as seen from the root, with ``/``."""
    return path.relative_to(root).as_posix()


def _refusal(path: Path, root: Path) -> str | None:
    """Say why a path is not taken, or None."""
    if not is_unicode(_relative(path, root)):
        return "its name is not Unicode"
    if path.is_symlink():
        return _refusal_of_link(path, root)
    return None if path.is_file() else "not a plain file"


def _refusal_of_link(path: Path, root: Path) -> str | None:
    """Say why a link is not followed, or None."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # Python tells a circle of links by either, as versions go
        return "a link to nothing"
    if not target.is_relative_to(root):
        return "a link that leads out of the folder"
    return None if target.is_file() else "a link to a folder"


def _member(path: Path, root: Path, limits: Limits) -> Member:
    """Describe one file."""
    name = _relative(path, root)
    told = path.stat()
    return Member(
        path=name,
        size_bytes=told.st_size,
        read=partial(_read, path, name, limits),
        stamp=_stamp(told),
    )


def _stamp(told: os.stat_result) -> Stamp | None:
    """Say by what a file is known again; None for one that was changed this moment.

    Its times may stay the same when it is changed once more, by a clock that ticks so seldom.
    """
    times = (told.st_mtime_ns, told.st_ctime_ns)
    if max(times) > time.time_ns() - UNSETTLED_NS:
        return None
    return (told.st_dev, told.st_ino, told.st_size, *times)


def _read(path: Path, name: str, limits: Limits) -> bytes:
    """Read a file, whatever size it has by now, within the limit."""
    try:
        with open_plain(path) as file:
            data = read_at_most(file, limits.member_bytes)
    except OSError as error:
        raise UnreadablePicture(f"{name}: {error.strerror}.", name=name) from error
    check_member_size(name, len(data), limits)
    return data
