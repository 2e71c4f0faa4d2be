"""Moving a zoo to another store and another database, and holding every byte and row against it.

The bytes go first, each checked as it is kept; those that are there already stay, so that a move
that was killed goes on where it was. Then all rows go over in one transaction, at whose end both
catalogs are measured. What is moved from is only read.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from zoo.catalog import copying, garbage
from zoo.catalog.copying import Content
from zoo.catalog.database import SCHEMA
from zoo.domain.revision import Blob
from zoo.errors import (
    BadSetting,
    BlobNotFound,
    Conflict,
    DigestMismatch,
    Unsupported,
)
from zoo.operations.access import check_rules
from zoo.operations.backup import check_same
from zoo.operations.opening import Zoo

AT_ONCE = 4
SHOWN = 5
MEND = "Mend them first: `zoo verify --all` names what uses them, `zoo repair` puts them back."

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a move has brought over, and what was there already."""

    blobs: int
    blobs_there: int
    size_bytes: int
    tables: dict[str, Content]
    has_moved_rows: bool

    @property
    def rows(self) -> int:
        """How many rows the catalog has."""
        return sum(one.rows for one in self.tables.values())


def move(source: Zoo, target: Zoo, *, report: Report = lambda _done, _total: None) -> Moved:
    """Bring everything of a zoo over into one that is empty, or that a move has begun to fill.

    Nobody may write to either meanwhile: what is written after the rows were read stays behind.
    ``report`` is told (done, total) bytes.

    Raises:
        BadSetting: both have the same catalog and the same store.
        Conflict: the target's catalog holds something else.
        DigestMismatch: bytes that the catalog names are missing or damaged; no row is moved.
        CatalogDamaged: the rows that were written are not those that were read; none is moved.
        StorageFull: there is no room.
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(source)
    is_same_catalog = source.catalog.url == target.catalog.url
    if is_same_catalog and source.blobs.place == target.blobs.place:
        raise BadSetting(
            "The zoo is there already: both have the same catalog and the same store.",
            hint="Say where it is to go: --to-store, --to-database or --to-home.",
        )
    if not is_same_catalog:
        _check_free(source, target)
    blobs = list(source.blobs.list_blobs())
    sent, faults = _send(source, target, blobs, report=report)
    with source.catalog.reading() as db:
        # What came in between, and what the store lacks.
        late, lost = _send(source, target, garbage.list_blobs(db), report=lambda _d, _t: None)
        named = {blob.digest for blob in garbage.list_blobs(db)}
        wrong = sorted(named & faults.keys() | lost.keys())
        if wrong:
            told = "; ".join((lost | faults)[digest] for digest in wrong[:SHOWN])
            raise DigestMismatch(
                f"{len(wrong)} blobs cannot be moved: {told}", hint=MEND, digests=wrong[:100]
            )
        tables = copying.measure(db.connection())
        has_moved_rows = False
        if not is_same_catalog:
            with target.catalog.writing(is_long=True) as there:
                has_moved_rows = copying.is_empty(there.connection())
                if has_moved_rows:
                    copying.copy(db.connection(), there.connection())
                check_same(tables, there.connection())
    sizes = {blob.digest: blob.size_bytes for blob in (*sent, *late)}
    return Moved(
        blobs=len(sizes),
        blobs_there=len(blobs) - len(sent) - len(faults),
        size_bytes=sum(sizes.values()),
        tables=tables,
        has_moved_rows=has_moved_rows,
    )


def _check_free(source: Zoo, target: Zoo) -> None:
    """Look before anything is sent whether the rows will find their place.

    Raises:
        Conflict: the target's catalog holds something else.
        Unsupported: the two are of different releases.
    """
    for zoo in (source, target):
        if zoo.catalog.find_schema() != SCHEMA:
            raise Unsupported(
                f"The catalog at {zoo.catalog.shown_url} is not of this release.",
                hint="Bring it up to date: zoo db upgrade",
            )
    with source.catalog.reading() as db, target.catalog.reading() as there:
        here = there.connection()
        if not copying.is_empty(here) and copying.measure(here) != copying.measure(db.connection()):
            raise Conflict(
                f"The catalog at {target.catalog.shown_url} holds something else.",
                hint="Name an empty database; nothing is written over.",
            )


def _send(
    source: Zoo, target: Zoo, blobs: Iterable[Blob], *, report: Report
) -> tuple[list[Blob], dict[str, str]]:
    """Send what is not there yet, some at once; give what was sent, and what could not be."""
    if source.blobs.place == target.blobs.place:
        return [], {}
    there = {blob.digest: blob.size_bytes for blob in target.blobs.list_blobs()}
    wanted = list(blobs)
    missing = [blob for blob in wanted if there.get(blob.digest) != blob.size_bytes]
    total = sum(blob.size_bytes for blob in wanted)
    done = total - sum(blob.size_bytes for blob in missing)
    sent: list[Blob] = []
    faults: dict[str, str] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sending = [pool.submit(_send_one, source, target, blob) for blob in missing]
        try:
            for blob, ended in zip(missing, sending, strict=True):
                fault = ended.result()
                if fault is None:
                    sent.append(blob)
                else:
                    faults[blob.digest] = fault
                done += blob.size_bytes
                report(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sent, faults


def _send_one(source: Zoo, target: Zoo, blob: Blob) -> str | None:
    """Send bytes; say what is wrong with those that cannot be."""
    try:
        target.blobs.put(source.blobs.read(blob.digest), expected=blob.digest)
    except BlobNotFound:
        return f"{blob.digest} is missing"
    except DigestMismatch as error:
        return f"{blob.digest} is damaged: {error}"
    return None
