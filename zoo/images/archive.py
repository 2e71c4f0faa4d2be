"""Zip and tar archives of pictures: told by content, checked whole, read without unpacking.

An archive is refused as a whole when any member could leave its folder, is no plain file, or comes
twice. Such a thing is packed by mistake or to do harm, and either is better told than mended.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import MalformedArchive
from zoo.images.bounds import malformed
from zoo.images.file import open_plain
from zoo.images.member import Limits, PictureSource
from zoo.images.tarred import COMPRESSIONS, open_tar
from zoo.images.zipped import open_zip

HEAD_BYTES = 512

ZIP = re.compile(rb"PK\x03\x04|PK\x05\x06")
REFUSED = {
    "a RAR archive": re.compile(rb"Rar!\x1a\x07"),
    "a 7-Zip archive": re.compile(rb"7z\xbc\xaf\x27\x1c"),
    "compressed with zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}


@contextmanager
def open_archive(path: Path, limits: Limits, *, name: str | None = None) -> Iterator[PictureSource]:
    """Open a zip, or a tar (plain or with gzip, bzip2 or xz), and give its plain files.

    All names and announced sizes are checked before the first byte of a member is given. Errors
    call the archive ``name``, else its path.

    Raises:
        UnsafeArchive: a member would leave its folder, is a link or a device, comes twice, or is
            encrypted.
        MalformedArchive: the file is damaged, cut short, or no archive of these kinds.
        TooLarge: there are more members, or more bytes in them, than the limits allow.
    """
    name = name or str(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise MalformedArchive(f"{name}: neither a folder nor a plain file.", archive=name)
    with malformed(name):
        file = open_plain(path)
    with file:
        with malformed(name):
            head = file.read(HEAD_BYTES)
            file.seek(0)
        if ZIP.match(head):
            with open_zip(file, name=name, limits=limits) as source:
                yield source
            return
        _check_tar(head, name=name)
        with open_tar(file, head, name=name, limits=limits) as source:
            yield source


def _check_tar(head: bytes, *, name: str) -> None:
    """Refuse what is known to be no tar; the rest shows when it is read as one."""
    if any(head.startswith(begins) for begins in COMPRESSIONS):
        return
    for kind, begins in REFUSED.items():
        if begins.match(head):
            raise MalformedArchive(f"{name}: it is {kind}; give a zip or a tar.", archive=name)
    # A tar begins with a whole block; all tars since 1988 carry this mark in it.
    if len(head) < HEAD_BYTES or (head[257:262] != b"ustar" and head.strip(b"\0")):
        raise MalformedArchive(f"{name}: it is neither a zip nor a tar.", archive=name)
