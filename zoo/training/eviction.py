"""Keeping a cache of files within its bound: what was not used for longest goes first."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def evict(folder: Path, most_bytes: int, *, pattern: str = "*.npz") -> int:
    """Delete the files below a folder that were used least lately until the rest fits.

    Other files than those whose names are of the pattern are left alone.
    A file's time of modification counts as that of its last use. Files that another process deletes
    meanwhile are gone; who reads one just then reads it to its end. Gives how many were deleted.
    """
    files = sorted(_list_files(folder, pattern), reverse=True)
    kept = deleted = 0
    for _, size, path in files:
        kept += size
        if kept > most_bytes:
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _list_files(folder: Path, pattern: str) -> Iterator[tuple[int, int, Path]]:
    """Give time of last use, size and path of each finished file."""
    for path in folder.rglob(pattern):
        with contextlib.suppress(FileNotFoundError):
            told = path.stat()
            yield told.st_mtime_ns, told.st_size, path
