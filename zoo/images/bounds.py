"""Reading archives that may be damaged or mean harm: bounded memory, named failures."""

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from zoo.errors import MalformedArchive, TooLarge
from zoo.images.member import Limits
from zoo.images.names import printable, unsafe

# What zipfile, tarfile and the decompressors raise on damaged files.
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


@contextmanager
def malformed(archive: str) -> Iterator[None]:
    """Turn what the readers raise on a damaged archive into an error that names it."""
    try:
        yield
    except BROKEN as error:
        reason = str(error).strip() or type(error).__name__
        raise MalformedArchive(
            f"{archive}: damaged or cut short ({printable(reason)}).",
            hint="Fetch or pack the archive again.",
            archive=archive,
        ) from error


class BoundedReads(io.RawIOBase):
    """A file that gives no more than so many bytes in one piece.

    zipfile takes the whole index into memory, and tarfile whatever a header announces as its
    extension. Both sizes are the archive's own word.
    """

    def __init__(self, file: IO[bytes], *, name: str, piece_bytes: int) -> None:
        super().__init__()
        self._file = file
        self._name = name
        self._piece_bytes = piece_bytes

    def read(self, size: int = -1, /) -> bytes:
        """Read ``size`` bytes, or to the end.

        Raises:
            TooLarge: that would be more than one piece.
        """
        data = b""
        if size <= self._piece_bytes:
            data = self._file.read(self._piece_bytes + 1 if size < 0 else size)
        if max(size, len(data)) > self._piece_bytes:
            raise TooLarge(f"{self._name}: its index is larger than any honest one.")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Tell the place in the file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Say that `seek` works."""
        return True


class Tally:
    """Counts what an archive announces, and refuses what is too much or comes twice."""

    def __init__(self, archive: str, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits
        self._paths: set[str] = set()
        self._entries = 0
        self._total_bytes = 0

    def count_entry(self) -> None:
        """Count a member of any kind.

        Raises:
            TooLarge: there are too many.
        """
        self._entries += 1
        if self._entries > self._limits.members:
            raise TooLarge(
                f"{self._archive}: more than {self._limits.members} members.",
                hint="Split the dataset into several archives, or give the unpacked folder.",
                archive=self._archive,
            )

    def count_file(self, path: str, size_bytes: int) -> None:
        """Count a plain file.

        Raises:
            UnsafeArchive: there was one of this name.
            TooLarge: all files together are too large.
        """
        if path in self._paths:
            raise unsafe(self._archive, path, "comes twice")
        self._paths.add(path)
        self._total_bytes += size_bytes
        if self._total_bytes > self._limits.total_bytes:
            raise TooLarge(
                f"{self._archive}: unpacks to more than {self._limits.total_bytes} bytes.",
                hint="Give a smaller archive, or raise ZOO_MAX_ARCHIVE_BYTES.",
                archive=self._archive,
            )


def check_length(member: str, data: bytes, size_bytes: int, *, archive: str) -> None:
    """Refuse a member that is longer or shorter than the archive announced.

    Raises:
        MalformedArchive: it is.
    """
    if len(data) != size_bytes:
        raise MalformedArchive(
            f"{archive}: member {member!r} is not of the {size_bytes} bytes announced for it.",
            archive=archive,
            member=member,
        )
