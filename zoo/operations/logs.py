"""What the processes of jobs printed: a log an attempt, read piece by piece, wherever it lies.

A log lies in the home of the machine that ran the attempt. Where machines share a database, it is
given to the store once the attempt has ended, so that every machine can tell it.
"""

import codecs
import contextlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import SEEK_END, BytesIO
from typing import BinaryIO

from zoo.catalog import logs as rows
from zoo.domain.job import Attempt, AttemptRecord
from zoo.errors import Conflict, LogNotFound
from zoo.operations import jobs
from zoo.operations.opening import Zoo
from zoo.operations.publish import check_kept

MOST_BYTES = 2**16  # of one answer
MOST_KEPT = 2**24  # bytes of a log that the store is given, its last ones
LOG_NAME = re.compile(r"job-(\d+)-\d+\.log")
SWEPT_AT_ONCE = 500  # jobs in one statement
AT_ONCE = 20  # logs that are given to the store in one go


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A part of what an attempt printed."""

    job: int
    attempt: int
    worker: str  # machine, home and process that claimed it
    offset: int  # bytes before it
    next: int  # where the next part begins
    text: str
    is_complete: bool  # nothing more will come of this attempt


def read_log(zoo: Zoo, number: int, *, attempt: int | None = None, offset: int = 0) -> LogPart:
    """Give what an attempt at a job printed, the last one unless it is told, from a byte on.

    It is no more than ``MOST_BYTES`` bytes at once, cut between characters. From beyond its end on
    there is nothing, and the answer's offset is the end.

    Raises:
        JobNotFound: there is no job of that number.
        LogNotFound: it has had no such attempt, or the log lies on another machine.
        BlobNotFound: the store has lost it.
    """
    job = jobs.get_job(zoo, number)
    record = _find_record(job.attempts, attempt)
    if record is None:
        told = f"has had no attempt {attempt}" if attempt is not None else "has not begun yet"
        raise LogNotFound(
            f"Job {number} {told}, so there is no log.",
            hint=f"See its attempts: zoo jobs show {number}",
            job=number,
        )
    with _open(zoo, number, record) as file:
        # Beyond its end is its end: some file systems refuse to seek far behind it.
        offset = min(offset, file.seek(0, SEEK_END))
        file.seek(offset)
        data = file.read(MOST_BYTES + 1)
    more = len(data) > MOST_BYTES
    is_ended = record.ended_at is not None
    text, size = _decode(data[:MOST_BYTES], is_last=is_ended and not more)
    return LogPart(
        job=number,
        attempt=record.number,
        worker=record.worker,
        offset=offset,
        next=offset + size,
        text=text,
        is_complete=is_ended and not more,
    )


def keep_logs(zoo: Zoo) -> int:
    """Give the store the logs of attempts that ended on this machine; give how many there were.

    With a catalog that one machine has alone there is nobody to give them to.
    """
    if zoo.catalog.url.startswith("sqlite"):
        return 0
    with zoo.catalog.reading() as db:
        ended = rows.list_unkept_logs(db, zoo.machine, limit=AT_ONCE)
    kept = 0
    for attempt in ended:
        path = zoo.log_path(attempt)
        if not path.is_file():
            continue
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MOST_KEPT))
            blob = zoo.blobs.put([file.read(MOST_KEPT)])
        # A sweep may have taken the bytes before the row names them; then the next time will do.
        with contextlib.suppress(Conflict), zoo.catalog.writing() as db:
            check_kept(zoo, [blob.digest])
            rows.keep_log(db, attempt, blob.digest)
            kept += 1
    return kept


def sweep_logs(zoo: Zoo) -> int:
    """Remove what attempts printed that ended longer ago than the settings say; count them.

    Logs of jobs that are not finished stay, and those of jobs whose revisions are there. What lies
    on other machines is removed where a sweep is run there.
    """
    if not zoo.settings.log_days:
        return 0
    before = zoo.clock() - timedelta(days=zoo.settings.log_days)
    names = [path.name for path in (zoo.settings.home / "logs").glob("job-*.log")]
    numbers = sorted({int(found[1]) for name in names if (found := LOG_NAME.fullmatch(name))})
    removed = 0
    for start in range(0, len(numbers), SWEPT_AT_ONCE):
        with zoo.catalog.reading() as db:
            expired = rows.list_expired_logs(
                db, numbers[start : start + SWEPT_AT_ONCE], before=before
            )
        for path in map(zoo.log_path, expired):
            removed += path.is_file()
            path.unlink(missing_ok=True)
    return removed + _forget_kept(zoo, before)


def _forget_kept(zoo: Zoo, before: datetime) -> int:
    """Forget what the store was given of them; the sweep then removes the bytes."""
    forgotten, after = 0, 0
    while True:
        with zoo.catalog.reading() as db:
            numbers = rows.list_kept_logs(db, before=before, after=after, limit=SWEPT_AT_ONCE)
            expired = rows.list_expired_logs(db, numbers, before=before)
        if not numbers:
            return forgotten
        if expired:
            with zoo.catalog.writing() as db:
                for attempt in expired:
                    rows.forget_log(db, attempt)
        forgotten, after = forgotten + len(expired), numbers[-1]


def _find_record(attempts: tuple[AttemptRecord, ...], number: int | None) -> AttemptRecord | None:
    if number is None:
        return attempts[-1] if attempts else None
    return next((one for one in attempts if one.number == number), None)


def _open(zoo: Zoo, number: int, record: AttemptRecord) -> BinaryIO:
    """Open a log, here or in the store.

    Raises:
        LogNotFound: it is on another machine.
        BlobNotFound: the store has lost it.
    """
    attempt = Attempt(job=number, number=record.number)
    path = zoo.log_path(attempt)
    if path.is_file():
        return path.open("rb")
    with zoo.catalog.reading() as db:
        digest = rows.find_log(db, attempt)
    if digest is not None:
        return zoo.blobs.open(digest)
    is_here = record.worker.startswith(f"{zoo.machine}:")
    if is_here and record.ended_at is None:
        return BytesIO()  # Its process has not begun to print.
    if is_here:
        raise LogNotFound(
            f"The log of attempt {record.number} of job {number} is gone from {path}.",
            hint="Logs of jobs that have ended are swept after ZOO_LOG_DAYS.",
            job=number,
            attempt=record.number,
        )
    machine = record.worker.partition(":")[0]
    raise LogNotFound(
        f"The log of attempt {record.number} of job {number} is not here: {machine} ran it.",
        hint=f"Ask there: zoo logs {number}. Where several machines share a database, the store"
        " has it once the attempt has ended.",
        job=number,
        attempt=record.number,
        machine=machine,
    )


def _decode(data: bytes, *, is_last: bool) -> tuple[str, int]:
    """Give text and how many bytes it is of; a character that is not whole yet is left for later.

    What is no text is shown as such.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, is_last)
    left = decoder.getstate()[0]
    return text, len(data) - len(left)
