"""Copies, on the disk of this machine, of blobs that a store elsewhere keeps.

They take no more than a bound, above which those go that were not asked for the longest. A file
that a living process was given stays: each process writes the digests it was given to a file that
it keeps locked, and whoever makes room reads those of all of them. ``gate`` lets it do so while
nobody is being given a file.
"""

import contextlib
import fcntl
import math
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.domain.revision import Blob
from zoo.errors import BlobNotFound
from zoo.storage.blobs import Chunk
from zoo.storage.local import LocalBlobs

SHARE = 16  # of the bound may be added by a process before it looks at how much there is


class Copies:
    """A folder of copies."""

    def __init__(self, root: Path, *, most_bytes: int, held_s: float = math.inf) -> None:
        """Take the folder and the bound.

        A file that was given stays for at least ``held_s`` seconds, by default as long as the
        process that it was given to lives.
        """
        self.blobs = LocalBlobs(root / "blobs")
        self._root = root
        self._most_bytes = most_bytes
        self._held = _Held(root / "held", seconds=held_s)
        self._added_bytes: float = math.inf  # since this process looked; it looks at its first
        self._lock = threading.Lock()

    def find(self, digest: str) -> Path | None:
        """Give the copy of some bytes, which then stays; None where there is none."""
        self._hold(digest)
        try:
            path = self.blobs.local_path(digest)
            os.utime(path)  # It is used now.
        except (BlobNotFound, FileNotFoundError):
            return None
        return path

    def add(
        self,
        chunks: Iterable[Chunk],
        *,
        expected: str | None = None,
        first: Callable[[Path, Blob], None] = lambda _path, _blob: None,
    ) -> Blob:
        """Copy bytes, and make room; see ``LocalBlobs.put``."""
        blob = self.blobs.put(chunks, expected=expected, first=first)
        with self._lock:
            self._added_bytes += blob.size_bytes
            is_due = self._added_bytes > self._most_bytes // SHARE
            if is_due:
                self._added_bytes = 0
        if is_due:
            self._make_room()
        return blob

    def _hold(self, digest: str) -> None:
        """Have whoever makes room leave these bytes alone, also those that are yet to come."""
        if not self._held.has(digest):
            with self._gate(fcntl.LOCK_SH):
                self._held.add(digest)

    def _make_room(self) -> None:
        with self._gate(fcntl.LOCK_EX):
            held = self._held.read_all()
            copies = sorted(self._list_copies())
            total = sum(size for _, size, _ in copies)
            for _, size, path in copies:
                if total <= self._most_bytes:
                    break
                if path.name not in held:
                    path.unlink(missing_ok=True)
                    total -= size

    def _list_copies(self) -> Iterator[tuple[int, int, Path]]:
        """Give time of last use, size and path of each copy."""
        for path in self.blobs.root.glob("[0-9a-f][0-9a-f]/*"):
            with contextlib.suppress(FileNotFoundError):
                told = path.stat()
                yield told.st_mtime_ns, told.st_size, path

    @contextmanager
    def _gate(self, how: int) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "gate").open("ab") as gate:
            fcntl.flock(gate, how)
            yield


class _Held:
    """The digests that processes were given; of this one, those of the last and this period."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._lock = threading.Lock()
        self._digests: set[str] = set()
        self._now: _Written | None = None
        self._last: _Written | None = None

    def has(self, digest: str) -> bool:
        with self._lock:
            return self._is_current() and digest in self._digests

    def add(self, digest: str) -> None:
        """Write a digest down; nobody makes room meanwhile."""
        with self._lock:
            if self._now is None or not self._is_current():
                # What was given in the period before the last one may go.
                self._last, self._now = self._now, _Written(self._folder)
                self._digests = set()
            if digest not in self._digests:
                self._now.add(digest)
                self._digests.add(digest)

    def read_all(self) -> set[str]:
        """Read what all living processes were given, and clear up after those that are gone."""
        found: set[str] = set()
        for path in self._folder.glob("*"):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    found |= set(file.read().decode().split())
                else:
                    path.unlink()
        return found

    def _is_current(self) -> bool:
        now = self._now
        # What a fork has inherited is its parent's.
        is_ours = now is not None and now.process == os.getpid()
        return is_ours and now is not None and time.monotonic() - now.begun < self._seconds


class _Written:
    """A file of digests that counts as long as this is there: it is locked till then."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.process = os.getpid()
        self.begun = time.monotonic()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        self._descriptor = os.open(folder / secrets.token_hex(16), flags, 0o600)
        weakref.finalize(self, _close, self._descriptor, self.process)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def add(self, digest: str) -> None:
        os.write(self._descriptor, f"{digest}\n".encode())


def _close(descriptor: int, process: int) -> None:
    """Close a file of this process; in a copy of it the number may be another file's by now."""
    if process == os.getpid():
        os.close(descriptor)
