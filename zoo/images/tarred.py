"""Tar archives, plain or compressed: one pass over all headers, then members in their order."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

from zoo.domain.dataset import Skipped
from zoo.errors import MalformedArchive
from zoo.images.bounds import BoundedReads, Tally, check_length, malformed
from zoo.images.member import Limits, Member, PictureSource, check_member_size, read_at_most
from zoo.images.names import is_unicode, printable, safe_path, unsafe

PIECE_BYTES = 2**20

COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
"""How to read a compressed file, by its first bytes."""


@contextmanager
def open_tar(file: IO[bytes], head: bytes, *, name: str, limits: Limits) -> Iterator[PictureSource]:
    """Open a tar and give its plain files, in the order of their bytes.

    A compressed tar is decompressed twice: for the headers, then for the members.

    Raises:
        UnsafeArchive, MalformedArchive, TooLarge: as `open_archive` says.
    """
    with _plain(file, head) as plain:
        bounded = BoundedReads(plain, name=name, piece_bytes=PIECE_BYTES)
        with malformed(name):
            # BoundedReads has the methods that tarfile calls, but not all that IO[bytes] lists.
            tar = tarfile.TarFile(fileobj=cast("IO[bytes]", bounded), mode="r")
        with tar:
            with malformed(name):
                found = list(_checked(tar, name=name, tally=Tally(name, limits)))
                _check_end(bounded, tar.offset, name=name)
            yield PictureSource(
                name=name,
                members=tuple(
                    Member(
                        path=path,
                        size_bytes=info.size,
                        read=partial(_read, tar, info, path, name, limits),
                    )
                    for path, info in found
                    if is_unicode(path)
                ),
                skipped=tuple(
                    Skipped(path=printable(path), reason="its name is not Unicode")
                    for path, _ in found
                    if not is_unicode(path)
                ),
            )


@contextmanager
def _plain(file: IO[bytes], head: bytes) -> Iterator[IO[bytes]]:
    """Give the file as it is without its compression."""
    for begins, opened in COMPRESSIONS.items():
        if head.startswith(begins):
            with opened(file) as plain:
                yield plain
            return
    yield file


def _checked(
    tar: tarfile.TarFile, *, name: str, tally: Tally
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Check member after member, each before the reader moves over its bytes to the next."""
    for info in tar:
        tally.count_entry()
        path = safe_path(info.name, archive=name)
        if info.isdir():
            continue
        if not info.isreg():
            raise unsafe(name, info.name, "is a link or a device")
        if not path:
            raise unsafe(name, info.name, "has no name")
        tally.count_file(path, info.size)
        yield path, info


def _check_end(file: BoundedReads, offset: int, *, name: str) -> None:
    """Refuse a tar that does not end where its members end.

    tarfile takes a damaged header for the end, so that a damaged archive would only look smaller.
    Reading on to the end of the file lets the decompressor compare its checksum.
    """
    file.seek(offset)
    end = file.read(tarfile.BLOCKSIZE)
    if end != bytes(tarfile.BLOCKSIZE):
        raise MalformedArchive(
            f"{name}: damaged or cut short (there is no member and no end at byte {offset}).",
            hint="Fetch or pack the archive again.",
            archive=name,
        )
    file.read(PIECE_BYTES)


def _read(
    tar: tarfile.TarFile, info: tarfile.TarInfo, path: str, name: str, limits: Limits
) -> bytes:
    """Read a member."""
    check_member_size(path, info.size, limits)
    with malformed(name):
        file = cast("IO[bytes]", tar.extractfile(info))  # None only for what is no plain file
        data = read_at_most(file, info.size)
    check_length(path, data, info.size, archive=name)
    return data
