"""Lines that are written over as many attempts as it takes, and are a file when they are all there.

Until then they lie beside the file's place, in a folder that also holds what was asked for. So what
was cut off goes on when the same is asked again, and nobody takes half of a file for the whole.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zoo.errors import Conflict
from zoo.operations.written import write_whole

LINES, REQUEST = "lines", "request.json"
PIECE_BYTES = 2**16


@dataclass(slots=True, kw_only=True)
class Unfinished:
    """The lines that are there, and a place for more."""

    folder: Path
    file: BinaryIO

    def kept(self) -> Iterator[str]:
        """Give the lines that were there at the beginning, with their ends."""
        with (self.folder / LINES).open("rb") as lines:
            for line in lines:
                yield line.decode()

    def append(self, line: str) -> None:
        """Add a whole line, and hand it over to the system: the end of this process loses none."""
        self.file.write(line.encode())
        self.file.flush()

    def pieces(self) -> Iterator[bytes]:
        """Give the bytes of all lines."""
        with (self.folder / LINES).open("rb") as lines:
            while piece := lines.read(PIECE_BYTES):
                yield piece

    def finish(self, path: Path) -> None:
        """Make the lines a file.

        Raises:
            Conflict: there is one of that name by now.
        """
        os.fsync(self.file.fileno())
        refuse_existing(path)
        (self.folder / LINES).rename(path)
        shutil.rmtree(self.folder)


@contextmanager
def open_unfinished(folder: Path, request: Mapping[str, object]) -> Iterator[Unfinished]:
    """Begin lines, or go on with those that a folder holds; a last one that was cut off is removed.

    A folder in which nothing was written is removed at the end.

    Raises:
        Conflict: they came of another request, or another process writes them right now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LINES).open("ab+") as file:
        _lock(file, folder)
        _check_request(folder, request, is_new=not file.tell())
        file.truncate(_end_of_lines(file))
        file.seek(0, os.SEEK_END)
        try:
            yield Unfinished(folder=folder, file=file)
        finally:
            if not file.tell():
                shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(path: Path) -> None:
    """Refuse to write over a file.

    Raises:
        Conflict: it is there.
    """
    if os.path.lexists(path):
        raise Conflict(f"{path} exists already.", hint="Name another file, or remove it.")


def _lock(file: BinaryIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Conflict(
            f"Another process writes {folder} right now.",
            hint="Wait for it, or name another file.",
            path=str(folder),
        ) from error


def _check_request(folder: Path, request: Mapping[str, object], *, is_new: bool) -> None:
    path = folder / REQUEST
    if is_new:
        write_whole(path, json.dumps(request).encode())
        return
    try:
        before = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        before = None
    if before != request:
        raise differs(folder)


def differs(folder: Path) -> Conflict:
    """Make the error of lines that came of another request."""
    return Conflict(
        f"{folder} holds the beginning of other answers: of another model, other pictures or "
        "options.",
        hint=f"Ask the same as then to go on with it, or remove it: rm -r {folder}",
        path=str(folder),
    )


def _end_of_lines(file: BinaryIO) -> int:
    """Give how many bytes whole lines have."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - PIECE_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
