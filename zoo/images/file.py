"""Opening a picture's file, with what is wrong with its path told by its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.errors import PathNotFound, UnreadablePicture


@contextmanager
def open_picture(path: Path, *, name: str) -> Iterator[BinaryIO]:
    """Open a picture's file.

    Raises:
        PathNotFound: there is no file at that path.
        UnreadablePicture: it cannot be opened.
    """
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PathNotFound(f"{name}: there is no such file.", path=name) from error
    except OSError as error:
        raise UnreadablePicture(f"{name}: {error.strerror}.", name=name) from error
    with file:
        yield file
