"""Which pictures somebody means: files, folders of any depth, patterns, lists."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import PathNotFound
from zoo.images.layout import LITTER

ENDINGS = {
    *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
}
"""Of the files in folders that are taken for pictures, in lower case; others are passed over."""

MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Pictures in the order they were given; those of a folder or a pattern by their paths."""

    paths: tuple[Path, ...]
    passed_over: int  # files in folders that are no pictures by their names


def choose_pictures(given: Sequence[str]) -> Chosen:
    """Find the pictures that files, folders and patterns (``**`` for any depth) mean.

    A file that is given by its name is taken whatever its name is, and also where it is not there:
    that is for whoever reads it to say.

    Raises:
        PathNotFound: a folder cannot be listed, or has no picture; a pattern has no match.
    """
    paths: list[Path] = []
    passed_over = 0
    for one in given:
        if Path(one).is_dir():
            found, others = _list_folder(Path(one))
            paths += found
            passed_over += others
        elif MAGIC.isdisjoint(one) or os.path.lexists(one):
            paths.append(Path(one))
        else:
            matches, others = _list_pattern(one)
            paths += matches
            passed_over += others
    return Chosen(paths=tuple(paths), passed_over=passed_over)


def read_list(data: bytes) -> list[str]:
    """Read a list of paths: a line each, or ended by NULs as `find -print0` writes them.

    Lines that are empty are left out, and the CR of a Windows line is no part of a path.
    """
    if b"\0" in data:
        parts = data.split(b"\0")
    else:
        parts = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(part) for part in parts if part]


def _list_folder(folder: Path) -> tuple[list[Path], int]:
    """List the pictures of a folder by their paths, and count its other files."""
    every = sorted(_walk(folder))
    found = [path for path in every if path.suffix.lower() in ENDINGS]
    if not found:
        raise PathNotFound(
            f"{folder} has no pictures: none of its {len(every)} files is called like one.",
            hint=f"Files in folders are told by their endings: {' '.join(sorted(ENDINGS))}.",
            path=str(folder),
        )
    return found, len(every) - len(found)


def _list_pattern(pattern: str) -> tuple[list[Path], int]:
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207  # it may be absolute
    files = sorted(_once(path for one in matches if not (path := Path(one)).is_dir()))
    found = [path for path in files if path.suffix.lower() in ENDINGS]
    if not found:
        raise PathNotFound(
            f"{pattern}: there is no such file, and as a pattern it has no match that is called "
            "like a picture.",
            hint="Quote patterns, so that the shell leaves them alone; ** is any depth.",
            path=pattern,
        )
    return found, len(files) - len(found)


def _once(files: Iterable[Path]) -> list[Path]:
    """Leave out what a link to a folder leads to once more: it may lead back to where it is."""
    folders: dict[Path, Path] = {}
    found: dict[Path, Path] = {}
    for file in sorted(files, key=lambda path: (len(path.parts), path)):
        folder = folders.setdefault(file.parent, Path(os.path.realpath(file.parent)))
        found.setdefault(folder / file.name, file)
    return list(found.values())


def _walk(folder: Path) -> Iterator[Path]:
    """Find all files under a folder but litter; links to folders are not followed."""
    for here, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not _is_litter(name)]
        yield from (Path(here, name) for name in files if not _is_litter(name))


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _refuse(error: OSError) -> None:
    raise PathNotFound(
        f"{error.filename}: folder cannot be listed: {error.strerror}.", path=str(error.filename)
    ) from error
