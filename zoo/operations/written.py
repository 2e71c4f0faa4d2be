"""Files that are written outside of the zoo: there whole, or not at all."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import Conflict


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there; one that lies there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".zoo-") as folder:
        part = Path(folder) / "part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that is not there yet.

    Raises:
        Conflict: it is there.
    """
    with making_folder(folder) as part:
        for name, data in files.items():
            (part / name).write_bytes(data)


@contextmanager
def making_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside a goal that becomes it at the end; where that raises, nothing stays.

    Raises:
        Conflict: the goal is there.
    """
    refuse_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zoo-") as work:
        part = Path(work) / "part"
        part.mkdir()
        yield part
        part.rename(folder)


def refuse_folder(folder: Path) -> None:
    """Refuse a goal that is there already.

    Raises:
        Conflict: it is.
    """
    if folder.exists():
        raise Conflict(f"{folder} exists already.", hint="Name another folder: -o FOLDER")
