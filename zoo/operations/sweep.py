"""Mark and sweep: deleted models past their time, and bytes that nothing refers to."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from zoo.catalog import audit, garbage
from zoo.domain.revision import Blob
from zoo.operations.access import check_rules
from zoo.operations.logs import sweep_logs
from zoo.operations.opening import Zoo

BATCH = 200  # blobs that are looked at in one transaction
AT_ONCE = 16
# Of transfers that were never finished, in the cache. Where chunks of kept files lie is told by
# small files that stay: clients remember for weeks what they have sent.
LEFTOVERS = ("parts/*/*", "pulls/*", "uploads/*/*", "xet/*/*.xorb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep removed, or would remove."""

    models: tuple[str, ...]
    blobs: tuple[str, ...]
    size_bytes: int


def sweep(zoo: Zoo, *, is_dry: bool = False) -> Swept:
    """Remove deleted models and unreferenced bytes that are older than the settings' grace.

    Old logs of jobs that have ended go too, as `sweep_logs` tells.

    Whoever sends bytes again makes them young, also those that are there already; whether
    something refers to them is asked once more in the transaction that removes them, and
    publishing looks for its bytes in one. So nothing is removed that a revision comes to refer to.

    Raises:
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    now = zoo.clock()
    before = now - timedelta(seconds=zoo.settings.grace_s)
    with zoo.catalog.reading() as db:
        expired = garbage.list_expired(db, before=before)
    if not is_dry and expired:
        with zoo.catalog.writing() as db:
            # Some may have been taken back since, and even deleted again.
            expired = [name for name in expired if garbage.purge_model(db, name, before=before)]
            for name in expired:
                audit.add_entry(db, zoo.caller, "model.purge", name, now=now)
    if not is_dry:
        sweep_logs(zoo)
    jobs = garbage.JobsHold()
    swept: list[Blob] = []
    batch: list[Blob] = []
    for blob in zoo.blobs.list_blobs():
        batch.append(blob)
        if len(batch) == BATCH:
            swept += _sweep(zoo, batch, jobs, is_dry=is_dry)
            batch = []
    swept += _sweep(zoo, batch, jobs, is_dry=is_dry)
    if not is_dry:
        with zoo.catalog.writing() as db:
            garbage.purge_uploads(db, before=before)
        _clear_cache(zoo)
    return Swept(
        models=tuple(expired),
        blobs=tuple(blob.digest for blob in swept),
        size_bytes=sum(blob.size_bytes for blob in swept),
    )


def _sweep(zoo: Zoo, batch: list[Blob], jobs: garbage.JobsHold, *, is_dry: bool) -> list[Blob]:
    """Remove those of some blobs that are old and that nothing refers to."""
    since = zoo.clock() - timedelta(seconds=zoo.settings.grace_s)
    with zoo.catalog.reading() as db:
        digests = [blob.digest for blob in batch]
        free = garbage.find_unreferenced(db, digests, sent_since=since, jobs=jobs)
    old = _select(free, lambda digest: zoo.blobs.is_older(digest, zoo.settings.grace_s))
    if is_dry or not old:
        return [blob for blob in batch if blob.digest in old]
    # A store may be slow; a lock that ended before the last is gone would let somebody refer to it.
    with zoo.catalog.writing(is_long=True) as db:
        # Under the writers' lock: nobody comes to refer to them between this look and the end.
        gone = _select(
            garbage.find_unreferenced(db, old, sent_since=since, jobs=jobs),
            lambda digest: zoo.blobs.delete(digest, older_than_s=zoo.settings.grace_s),
        )
        garbage.forget_blobs(db, gone)
        if gone:
            audit.add_entry(db, zoo.caller, audit.SWEEP, "", now=zoo.clock(), removed=len(gone))
    return [blob for blob in batch if blob.digest in gone]


def _select(digests: set[str], test: Callable[[str], bool]) -> set[str]:
    """Give those that pass a test, several of which run at once: a store may be far away."""
    wanted = list(digests)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        passed = list(pool.map(test, wanted))
    return {digest for digest, is_one in zip(wanted, passed, strict=True) if is_one}


def _clear_cache(zoo: Zoo) -> None:
    """Remove what uploads left behind that were never finished."""
    for pattern in LEFTOVERS:
        for path in (zoo.settings.home / "cache").glob(pattern):
            _remove_old(path, zoo.settings.grace_s)


def _remove_old(path: Path, age_s: float) -> None:
    try:
        is_old = time.time() - path.stat().st_mtime > age_s
    except FileNotFoundError:
        return
    if is_old and path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    elif is_old:
        path.unlink(missing_ok=True)
