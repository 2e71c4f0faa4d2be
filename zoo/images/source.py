"""Pictures from a folder or an archive, in one shape for whoever reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import PathNotFound
from zoo.images.archive import open_archive
from zoo.images.folder import read_folder
from zoo.images.member import Limits, PictureSource


@contextmanager
def open_pictures(
    path: Path, *, limits: Limits, name: str | None = None
) -> Iterator[PictureSource]:
    """Open a folder or an archive of pictures; members can be read while it is open.

    ``name`` is what errors call it; its path where none is given.

    Raises:
        PathNotFound: there is nothing at that path.
        UnsafeArchive, MalformedArchive, TooLarge: as `open_archive` says.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise PathNotFound(f"{path}: {error.strerror}.", path=str(path)) from error
    if is_folder:
        yield read_folder(path, limits)
    elif is_there:
        with open_archive(path, limits, name=name) as source:
            yield source
    else:
        raise PathNotFound(f"{path}: there is no such file or folder.", path=str(path))
