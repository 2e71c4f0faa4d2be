"""Proving that every byte the catalog names is in the store, whole; and mending what is not."""

import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import garbage
from zoo.domain.revision import Blob, revision_id
from zoo.errors import BlobNotFound, PathNotFound, StoreUnavailable
from zoo.operations.access import check_rules
from zoo.operations.opening import Zoo
from zoo.storage.blobs import chunks_of

# What a disk answers that has lost something; anything else (too many open files, no memory) is of
# this moment, and says nothing of the bytes.
LOST = {errno.EIO, errno.EBADMSG, getattr(errno, "EUCLEAN", errno.EIO)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Bytes, or a revision, that are not what the catalog says."""

    subject: str  # a digest, or the address of a revision
    reason: str
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a repair put back, and what is still missing."""

    repaired: tuple[tuple[str, str], ...]  # digest, the file it came from
    missing: tuple[str, ...]


def scrub(
    zoo: Zoo,
    *,
    quarantines: bool = False,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Fault]:
    """Read every byte that the catalog names, and list what is missing or damaged.

    With ``quarantines`` damaged bytes are set aside, so that nobody is given them; sending the
    right ones again mends them. ``report`` is told (done, total) after every blob.

    Raises:
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with zoo.catalog.reading() as db:
        blobs = list(garbage.list_blobs(db))
        faults = [
            Fault(subject=revision.address, reason="its files do not give its id")
            for revision in garbage.list_all_revisions(db)
            if revision_id(revision.files) != revision.id
        ]
    for done, blob in enumerate(blobs, 1):
        reason, is_known = _judge(zoo, blob)
        if reason is not None:
            with zoo.catalog.reading() as db:
                used_by = tuple(garbage.list_users(db, blob.digest))
            if quarantines and is_known:
                zoo.blobs.quarantine(blob.digest)
            faults.append(Fault(subject=blob.digest, reason=reason, used_by=used_by))
        report(done, len(blobs))
    return faults


def _judge(zoo: Zoo, blob: Blob) -> tuple[str | None, bool]:
    """Say what is wrong with bytes, and whether it is them that are wrong."""
    try:
        return find_fault(zoo, blob), True
    except OSError as error:
        return f"it cannot be read for now: {error.strerror}", False
    except StoreUnavailable as error:
        return f"it cannot be read for now: {error}", False


def find_fault(
    zoo: Zoo, blob: Blob, *, pace: Callable[[int], None] = lambda _count: None
) -> str | None:
    """Say what is wrong with bytes of the store, or nothing where they are whole.

    ``pace`` is told the bytes of each piece that was read, and may take its time.

    Raises:
        OSError, StoreUnavailable: they cannot be read for now, for a reason that is not theirs.
    """
    try:
        sha256, size_bytes = hashlib.sha256(), 0
        for chunk in zoo.blobs.read(blob.digest):
            sha256.update(chunk)
            size_bytes += len(chunk)
            pace(len(chunk))
    except BlobNotFound:
        return "it is missing"
    except OSError as error:
        if error.errno not in LOST:
            raise
        return f"it cannot be read: {error.strerror}"
    if sha256.hexdigest() != blob.digest:
        return f"its bytes have sha256 {sha256.hexdigest()}"
    return None if size_bytes == blob.size_bytes else f"it has {size_bytes} bytes"


def repair(zoo: Zoo, paths: Iterable[Path]) -> Repaired:
    """Put bytes that are missing or damaged back from files that hold them.

    Raises:
        PathNotFound: there is no such file or folder.
        StorageFull: there is no room.
        Forbidden: the caller does not look after the zoo.
    """
    wanted = {fault.subject for fault in scrub(zoo, quarantines=True) if "@" not in fault.subject}
    repaired = []
    for path in _files(paths):
        if not wanted:
            break
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest in wanted:
                file.seek(0)
                zoo.blobs.put(chunks_of(file), expected=digest)
                wanted.discard(digest)
                repaired.append((digest, str(path)))
    return Repaired(repaired=tuple(repaired), missing=tuple(sorted(wanted)))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise PathNotFound(f"There is no file or folder {path}.", path=str(path))
        yield from (
            sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        )
