"""The one shape in which files come out of a folder or an archive, and its bounds."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from zoo.domain.dataset import Skipped
from zoo.errors import TooLarge

CHUNK_BYTES = 2**18

Stamp = tuple[int, ...]
"""What a file on this machine is known again by, unread, while nobody changes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may come out of one archive; a folder is bound by ``member_bytes`` only."""

    total_bytes: int
    member_bytes: int
    members: int = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A plain file of a source: ``read()`` gives its bytes.

    Raises, on ``read()``:
        TooLarge: it has more than ``Limits.member_bytes``; the other members can still be read.
        UnreadablePicture: the file cannot be opened or read; likewise.
        MalformedArchive: the archive is damaged here.
    """

    path: str  # relative, with "/"
    size_bytes: int  # as announced
    read: Callable[[], bytes]
    stamp: Stamp | None = None  # None: nothing tells whether it was changed


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """The plain files of a folder or archive; to be read in this order, which is the fast one."""

    name: str
    members: tuple[Member, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of every member."""
        return tuple(member.path for member in self.members)


def check_member_size(name: str, size_bytes: int, limits: Limits) -> None:
    """Refuse a member that announces more than one member may have.

    Raises:
        TooLarge: it does.
    """
    if size_bytes > limits.member_bytes:
        raise TooLarge(
            f"{name}: {size_bytes} bytes; a picture may have {limits.member_bytes}.",
            hint="Make the picture smaller, or raise ZOO_MAX_PICTURE_BYTES.",
            name=name,
        )


def read_at_most(file: IO[bytes], size_bytes: int) -> bytes:
    """Read to the end, but never more than one byte beyond ``size_bytes``."""
    chunks = []
    left = size_bytes + 1
    while left and (chunk := file.read(min(left, CHUNK_BYTES))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def draw_members(members: Sequence[Member], most: int) -> list[Member]:
    """Draw so many files, evenly and the same ones always; all where there are no more."""
    if len(members) <= most:
        return list(members)
    chosen = random.Random(0).sample(range(len(members)), most)  # noqa: S311  # no secret
    return [members[at] for at in sorted(chosen)]
