"""What the files of a folder were when they were read: those that are the same are not read again.

A file is taken for the same while its size, its times of modification and of change, and its place
on the disk are, as git takes it. What is kept is never needed: without it every file is read.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from zoo.domain.dataset import Dataset, Picture
from zoo.domain.revision import Blob
from zoo.images.member import Member, Stamp
from zoo.operations.kept import keep, read_kept
from zoo.operations.opening import Zoo

KIND, VERSION = "folders", 1
MOST_FILES = 100_000  # of a folder that is remembered; beyond, the list itself takes long to read


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """The digests of a folder's pictures, by what each file was when it was read."""

    known: Mapping[str, tuple[Stamp, str]]  # by path: a member's stamp, its digest
    held: Mapping[str, int]  # size by digest, of pictures that no sweep takes

    def find(self, member: Member) -> Blob | None:
        """Give the bytes of a picture that was read before and is in the store for good."""
        stamp, digest = self.known.get(member.path, (None, ""))
        if stamp is None or stamp != member.stamp or digest not in self.held:
            return None
        return Blob(digest=digest, size_bytes=self.held[digest])


def read_stamps(zoo: Zoo, folder: Path, before: Dataset | None) -> Stamps:
    """Read what is remembered of a folder; ``before`` is what was last added under its name.

    Only its pictures count: rows refer to them, so that no sweep takes them meanwhile.
    """
    data = read_kept(zoo, KIND, _key(zoo, folder), version=VERSION) if before else None
    if before is None or data is None:
        return Stamps(known={}, held={})
    sizes = {one.digest: one.size_bytes for one in before.pictures if zoo.blobs.has(one.digest)}
    try:
        known = {
            str(path): (tuple(int(part) for part in stamp), str(digest))
            for path, stamp, digest in data["files"]
        }
    except (KeyError, TypeError, ValueError):
        known = {}
    return Stamps(known=known, held=sizes)


def keep_stamps(
    zoo: Zoo, folder: Path, read: Sequence[tuple[Member, Picture]], *, before: Stamps
) -> None:
    """Remember what the files were that became pictures; nothing is written where that is known."""
    known = {
        member.path: (member.stamp, picture.digest)
        for member, picture in read
        if member.stamp is not None
    }
    if known and known != before.known and len(known) <= MOST_FILES:
        files = [(path, stamp, digest) for path, (stamp, digest) in known.items()]
        keep(zoo, KIND, _key(zoo, folder), {"files": files}, version=VERSION)


def _key(zoo: Zoo, folder: Path) -> str:
    """Name a folder, and all that decides whether its files are pictures."""
    taken = (
        str(folder.resolve()),
        zoo.settings.max_picture_pixels,
        zoo.settings.max_picture_bytes,
        version("zoo"),
        version("pillow"),
    )
    return hashlib.sha256(repr(taken).encode()).hexdigest()
