"""Reading every byte once more in the background, slowly, and remembering how far that is."""

import json
import logging
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.catalog import garbage
from zoo.errors import Interrupted, ZooError
from zoo.operations.opening import Zoo
from zoo.operations.scrub import find_fault, set_aside

LOG = logging.getLogger(__name__)
DAY_S = 86_400.0
FASTEST = 2**25  # bytes a second, inside one blob
LONGEST_PAUSE_S = 3600.0  # between two: a small zoo is read more often than it has to be
REST_S = 60.0  # with nothing to read, or after a fault of the catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Patrol:
    """How far the reading is."""

    position: str = ""  # the digest that was read last, "" before the first
    started_at: str | None = None  # of this round
    finished_at: str | None = None  # of the last whole one
    rounds: int = 0
    read_bytes: int = 0  # in this round
    faults: dict[str, str] = field(default_factory=dict)  # digest -> reason


def get_patrol(zoo: Zoo) -> Patrol:
    """Tell how far the reading is; faults whose bytes were put back since are left out."""
    try:
        told: dict[str, Any] = json.loads(_path(zoo).read_text(encoding="utf-8"))
        found = Patrol(**told)
    except (OSError, ValueError, TypeError):
        return Patrol()  # It begins anew, which costs reading and nothing else.
    faults = {one: reason for one, reason in found.faults.items() if not zoo.blobs.has(one)}
    return replace(found, faults=faults)


def patrol(zoo: Zoo, stop: threading.Event) -> None:
    """Read all bytes once in as many days as the settings say, round after round, until stopped."""
    while zoo.settings.scrub_days > 0 and not stop.is_set():
        try:
            pause_s = step(zoo, stop)
        except (ZooError, OSError) as error:
            LOG.warning("the bytes are not read for now: %s", error)
            pause_s = REST_S
        stop.wait(pause_s)


def step(zoo: Zoo, stop: threading.Event) -> float:
    """Read the next blob, set it aside where it is damaged; give the seconds to wait after it."""
    now, state = zoo.clock(), get_patrol(zoo)
    with zoo.catalog.reading() as db:
        blob = garbage.find_next_blob(db, after=state.position)
        total = garbage.measure_blobs(db)
    if blob is None:
        ended = replace(state, position="", started_at=None, read_bytes=0)
        if state.position:
            ended = replace(ended, finished_at=now.isoformat(), rounds=state.rounds + 1)
        _keep(zoo, ended)
        return REST_S
    mark = zoo.blobs.find_mark(blob.digest)
    try:
        reason = find_fault(zoo, blob, pace=lambda count: _breathe(stop, count))
    except Interrupted:
        return 0.0  # It is read again at the next start.
    except OSError as error:
        LOG.warning("not read in this round: %s: %s", blob.digest, error)
        reason = None
    faults = {digest: told for digest, told in state.faults.items() if digest != blob.digest}
    if reason is not None and set_aside(zoo, blob, reason, mark):
        faults[blob.digest] = reason
    _keep(
        zoo,
        replace(
            state,
            position=blob.digest,
            started_at=state.started_at or now.isoformat(),
            read_bytes=state.read_bytes + blob.size_bytes,
            faults=faults,
        ),
    )
    return min(LONGEST_PAUSE_S, zoo.settings.scrub_days * DAY_S * blob.size_bytes / max(total, 1))


def _breathe(stop: threading.Event, count: int) -> None:
    """Leave the disk to others between two pieces.

    Raises:
        Interrupted: the server stops.
    """
    if stop.wait(count / FASTEST):
        raise Interrupted


def _keep(zoo: Zoo, state: Patrol) -> None:
    path = _path(zoo)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(state)), encoding="utf-8")
    fresh.replace(path)


def _path(zoo: Zoo) -> Path:
    return zoo.settings.home / "scrub.json"
