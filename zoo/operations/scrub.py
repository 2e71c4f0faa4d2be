"""Proving that every byte the catalog names is in the store, whole; and mending what is not."""

import errno
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zoo.catalog import audit, garbage
from zoo.domain.revision import Blob, revision_id
from zoo.errors import BlobNotFound, FileNotFound, StoreUnavailable
from zoo.operations.access import check_rules
from zoo.operations.opening import Zoo
from zoo.operations.paths import check_path
from zoo.storage.blobs import Chunk, chunks_of

LOG = logging.getLogger(__name__)
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
class Check:
    """One thing of a revision that was looked at, and whether it is sound."""

    name: str
    found: str
    is_sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A revision, and all that was looked at of it."""

    revision: str  # address
    checks: tuple[Check, ...]


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
        reason, mark = _judge(zoo, blob)
        if reason is not None and quarantines and mark is not None:
            # Those that were put back or swept while they were read are no fault any more.
            reason = reason if set_aside(zoo, blob, reason, mark) else None
        if reason is not None:
            with zoo.catalog.reading() as db:
                used_by = tuple(garbage.list_users(db, blob.digest))
            faults.append(Fault(subject=blob.digest, reason=reason, used_by=used_by))
        report(done, len(blobs))
    return faults


def _judge(zoo: Zoo, blob: Blob) -> tuple[str | None, str | None]:
    """Say what is wrong with bytes, and by their mark, where they are there, that it is them."""
    try:
        mark = zoo.blobs.find_mark(blob.digest)
        return find_fault(zoo, blob), mark
    except OSError as error:
        return f"it cannot be read for now: {error.strerror}", None
    except StoreUnavailable as error:
        return f"it cannot be read for now: {error}", None


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


def set_aside(zoo: Zoo, blob: Blob, reason: str, mark: str | None) -> bool:
    """Set damaged bytes aside and write it down, unless they are swept or put back meanwhile."""
    with zoo.catalog.writing() as db:
        used_by = list(garbage.list_users(db, blob.digest))
        if not used_by or zoo.blobs.find_mark(blob.digest) != mark:
            return False
        audit.add_entry(
            db,
            zoo.caller,
            "blob.quarantine",
            blob.digest,
            now=zoo.clock(),
            reason=reason,
            used_by=used_by,
        )
        zoo.blobs.quarantine(blob.digest)
    LOG.warning("damaged: %s: %s; used by %s", blob.digest, reason, ", ".join(used_by))
    return True


def repair(zoo: Zoo, paths: Iterable[Path]) -> Repaired:
    """Put bytes that are missing or damaged back from files that hold them.

    Raises:
        PathNotFound: there is no such file or folder.
        StorageFull: there is no room.
        Forbidden: the caller does not look after the zoo.
    """
    return repair_with(
        scrub(zoo, quarantines=True),
        paths,
        lambda digest, file: put_back(zoo, digest, chunks_of(file)),
    )


def repair_with(
    faults: Iterable[Fault], paths: Iterable[Path], put: Callable[[str, BinaryIO], object]
) -> Repaired:
    """Give what is at fault to ``put``, with its digest, where files hold it.

    Raises:
        PathNotFound: there is no such file or folder.
        Invalid: it is a FIFO, a socket or a device.
    """
    wanted = {fault.subject for fault in faults if "@" not in fault.subject}
    repaired = []
    for path in _files(paths):
        if not wanted:
            break
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest in wanted:
                file.seek(0)
                put(digest, file)
                wanted.discard(digest)
                repaired.append((digest, str(path)))
    return Repaired(repaired=tuple(repaired), missing=tuple(sorted(wanted)))


def put_back(zoo: Zoo, digest: str, chunks: Iterable[Chunk]) -> Blob:
    """Put bytes back that the catalog names; they are written once more where they are whole.

    Raises:
        FileNotFound: nothing in the catalog consists of such bytes.
        DigestMismatch: these are others.
        StorageFull: there is no room.
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with zoo.catalog.reading() as db:
        users = garbage.list_users(db, digest)
    if not users:
        raise FileNotFound(
            f"No file and no picture of this zoo consists of the bytes {digest}.",
            hint="Only what is missing or damaged is put back: zoo verify --all",
            digest=digest,
        )
    blob = zoo.blobs.put(chunks, expected=digest)
    with zoo.catalog.writing() as db:
        detail = {"used_by": users, "size_bytes": blob.size_bytes}
        audit.add_entry(db, zoo.caller, "blob.repair", digest, now=zoo.clock(), **detail)
    return blob


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        check_path(path)
        yield from (
            sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        )
