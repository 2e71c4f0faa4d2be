"""Opening a picture's file, with what is wrong with its path told by its name."""

import errno
import os
import stat
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
        UnreadablePicture: it cannot be opened, or is no plain file.
    """
    try:
        file = open_plain(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PathNotFound(f"{name}: there is no such file.", path=name) from error
    except OSError as error:
        raise UnreadablePicture(f"{name}: {error.strerror}.", name=name) from error
    with file:
        yield file


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file to read, without a wait for whoever might write to something else.

    Raises:
        OSError: it cannot be opened, or is a FIFO, a socket or a device.
    """
    _check(path.stat().st_mode)  # before: some devices do something when they are opened
    return open(path, "rb", opener=_open)  # Path.open takes no opener


def _open(path: str, flags: int) -> int:
    """Open without waiting, and look again: what lies there may have been exchanged."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)  # which plain files know nothing of
    try:
        _check(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a plain file")
