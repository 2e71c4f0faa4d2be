"""Which revision a served name answers with, and how the next one takes over.

A name goes on with the revision it has while the next one is loaded and warmed beside it. Then one
reference is swapped. A next one that cannot be loaded leaves the old one serving, is told in the
log, and is tried again when another revision comes or somebody asks for it to be loaded.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from zoo.errors import ZooError
from zoo.serving.loading import Loading
from zoo.serving.shelf import Held, Served, Shelf

RESTING_S = 1.0  # A name that nobody asked for so long waits for its next revision.
NICENESS = 10  # more than the server's, of the thread that prepares it: requests go first

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A revision that can answer: where its graph is."""

    model: str
    revision: str
    digest: str
    graph: Path
    size_bytes: int = 0  # of the file
    is_network: bool = False  # served as it is: no classifier of pictures

    @property
    def address(self) -> str:
        """The one name that always means this revision."""
        return f"{self.model}@{self.revision}"

    @cached_property  # asked some times for each request
    def key(self) -> tuple[str, str]:
        """The key of its figures."""
        return self.model, self.revision


@dataclass(slots=True, kw_only=True)
class Line:
    """One served name."""

    current: Target
    upcoming: Target | None = None  # that is being loaded
    failed: Target | None = None  # that could not be
    reason: str = ""  # why not
    used_s: float = 0.0
    swaps: int = 0


@dataclass(slots=True, eq=False)
class _Answering:
    """What answers for a name, held in between."""

    target: Target
    held: Held

    def __enter__(self) -> tuple[Target, Served]:
        return self.target, self.held.shelf.pin(self.held)

    def __exit__(self, *_: object) -> None:
        self.held.shelf.unpin(self.held)


@dataclass(slots=True, kw_only=True)
class Lines:
    """All served names; safe to be used by many threads."""

    shelf: Shelf
    loading: Loading
    clock_s: Callable[[], float] = time.monotonic
    _lines: dict[str, Line] = field(default_factory=dict)
    _loaders: set[threading.Thread] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, name: str, wanted: Target) -> AbstractContextManager[tuple[Target, Served]]:
        """Give what answers for a name that points to ``wanted`` by now.

        Raises:
            NotRunnable, Unsupported: it cannot be loaded, and there is none before it.
        """
        target = self._choose(name, wanted)
        return _Answering(target, self.hold_exactly(target))

    def hold_exactly(self, target: Target) -> Held:
        """Give the predictor of a revision, loaded if need be.

        Raises:
            NotRunnable, Unsupported: it cannot be.
        """
        load = partial(self._open, target)
        return self.shelf.hold(target.digest, load, about_bytes=target.size_bytes)

    def read(self) -> dict[str, Line]:
        """Give every served name as it stands."""
        with self._lock:
            return dict(self._lines)

    def forget(self, name: str) -> Line | None:
        """Serve a name no more."""
        with self._lock:
            return self._lines.pop(name, None)

    def close(self) -> None:
        """Wait for what is being loaded: a process that ends in the middle of it is aborted."""
        with self._lock:
            loaders = list(self._loaders)
        for loader in loaders:
            loader.join()

    def _open(self, target: Target) -> Served:
        if target.is_network:
            return self.loading.load_network(target.graph)
        return self.loading.load(target.digest, target.graph)

    def _choose(self, name: str, wanted: Target) -> Target:
        with self._lock:
            line = self._lines.get(name)
            if line is None:
                line = self._lines[name] = Line(current=wanted)
            now_s = self.clock_s()
            is_resting, line.used_s = now_s - line.used_s > RESTING_S, now_s
            # Mostly it is the very same, which is seen in a tenth of the time that equality takes.
            if line.current is wanted or line.current == wanted:
                line.current = wanted
                return wanted
            if self.shelf.find(wanted.digest) is not None:
                self._swap(line, wanted)
            if line.current is wanted or line.upcoming is not None or line.failed == wanted:
                return line.current
            line.upcoming = wanted
            has_old = self.shelf.find(line.current.digest) is not None
        if is_resting or not has_old:
            self._load(line, wanted)
        else:
            loader = threading.Thread(target=self._load_behind, args=(line, wanted), daemon=True)
            with self._lock:
                self._loaders.add(loader)
            loader.start()
        with self._lock:
            return line.current

    def _swap(self, line: Line, wanted: Target) -> None:
        line.current, line.failed, line.reason = wanted, None, ""
        line.swaps += 1

    def _load_behind(self, line: Line, wanted: Target) -> None:
        """Load the next revision in a thread of its own; what takes long of it after all requests.

        That has another thread, for the threads of a session are as nice as the one that opens it,
        and only privileged ones may become less so.
        """
        preparing = threading.Thread(target=self._prepare, args=(wanted,), daemon=True)
        preparing.start()
        preparing.join()
        self._load(line, wanted)
        with self._lock:
            self._loaders.discard(threading.current_thread())

    def _prepare(self, wanted: Target) -> None:
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            usual = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, usual + NICENESS)
        if not wanted.is_network:
            self.loading.prepare(wanted.digest, wanted.graph)

    def _load(self, line: Line, wanted: Target) -> None:
        """Load the next revision of a name, and have it take over."""
        try:
            with self.hold_exactly(wanted), self._lock:
                self._swap(line, wanted)
        except (ZooError, OSError) as error:
            LOG.warning(
                "%s could not be loaded, so %s goes on: %s",
                wanted.address,
                line.current.address,
                error,
            )
            with self._lock:
                line.failed, line.reason = wanted, str(error)
        finally:
            with self._lock:
                line.upcoming = None
