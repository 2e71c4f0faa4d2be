"""Pictures of this machine as one archive that is sent to another zoo."""

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.domain.dataset import Skipped
from zoo.errors import MalformedArchive, PathNotFound, UnreadablePicture
from zoo.images.file import open_plain
from zoo.images.folder import read_folder
from zoo.images.member import Limits, draw_members

ANY = Limits(
    total_bytes=2**63, member_bytes=2**63
)  # What is too large is for the other zoo to say.
PIECE_BYTES = 2**20

StepReport = Callable[[str, str, int, int], None]


@contextmanager
def packed(
    path: Path, report: StepReport, *, most: int | None = None
) -> Iterator[tuple[BinaryIO, tuple[Skipped, ...]]]:
    """Open an archive, or pack a folder into one; give also what is left out of it.

    With ``most``, so many files of a folder are drawn.

    Raises:
        PathNotFound: there is nothing at that path.
        MalformedArchive: it is neither a folder nor a plain file.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise PathNotFound(f"{path}: {error.strerror}.", path=str(path)) from error
    if not is_there:
        raise PathNotFound(f"{path}: there is no such file or folder.", path=str(path))
    if not is_folder:
        if not path.is_file():
            raise MalformedArchive(f"{path}: neither a folder nor a plain file.", archive=str(path))
        with open_plain(path) as opened:
            yield opened, ()
        return
    with tempfile.TemporaryFile() as file:
        yield file, _pack(path, file, report, most)


def _pack(
    folder: Path, file: BinaryIO, report: StepReport, most: int | None
) -> tuple[Skipped, ...]:
    """Write the files of a folder into a tar; give those that could not be read."""
    source = read_folder(folder, ANY)
    skipped = list(source.skipped)
    members = source.members if most is None else draw_members(source.members, most)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for done, member in enumerate(members, 1):
            try:
                data = member.read()
            except UnreadablePicture as error:
                reason = str(error).removeprefix(f"{member.path}: ")
                skipped.append(Skipped(path=member.path, reason=reason))
            else:
                info = tarfile.TarInfo(member.path)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            report("pack", "files", done, len(members))
    return tuple(skipped)


def pieces_of(file: BinaryIO, size_bytes: int, report: StepReport) -> Iterator[bytes]:
    """Give the bytes of an archive, and tell how many have gone."""
    sent = 0
    while piece := file.read(PIECE_BYTES):
        yield piece
        sent += len(piece)
        report("send", "bytes", sent, size_bytes)
