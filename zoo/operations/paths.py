"""Paths that users give."""

from pathlib import Path

from zoo.errors import Invalid, PathNotFound


def is_there(path: Path) -> bool:
    """Tell whether there is a file or folder; no for a path that the system does not even take."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def check_path(path: Path) -> None:
    """Refuse a path at which there is no folder and no plain file.

    A FIFO would be waited for as long as nobody writes to it, and many devices never end.

    Raises:
        PathNotFound: there is nothing there.
        Invalid: it is a FIFO, a socket or a device.
    """
    if not is_there(path):
        raise PathNotFound(f"There is no file or folder {path}.", path=str(path))
    if not (path.is_file() or path.is_dir()):
        raise Invalid(
            f"{path} is neither a folder nor a plain file.",
            hint="What comes through a pipe is written to a file first; give its path.",
            path=str(path),
        )
