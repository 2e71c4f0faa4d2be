"""Blobs in a folder of this machine.

``<root>/<first two hex>/<digest>`` holds a blob; ``<root>/incoming`` holds bytes that are not whole
yet. A blob is hashed while it is written, synced and then renamed, so a name in the tree is always
whole. A writer keeps its incoming file locked: an unlocked one belongs to nobody alive.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.domain.revision import Blob
from zoo.errors import BlobNotFound, DigestMismatch, StorageFull, is_full
from zoo.storage.blobs import Chunk

PIECE = 2**22  # bytes that are hashed and written at a time
FEWEST_BESIDE = 2**16  # bytes worth a thread; hashing fewer takes no longer than waking one
SYNCED_BYTES = 2**25  # how many are written before the disk is set to work on them


class LocalBlobs:
    """A blob store in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"

    def put(self, chunks: Iterable[Chunk], *, expected: str | None = None) -> Blob:
        """Keep the bytes; see ``BlobStore.put``."""
        with self._told_when_full(), self._incoming_file() as (file, path):
            blob = _write(file, chunks)
            if expected is not None and blob.digest != expected:
                raise DigestMismatch(
                    f"The bytes have sha256 {blob.digest}, but {expected} was announced.",
                    expected=expected,
                    found=blob.digest,
                )
            self._settle(path, blob.digest)
        return blob

    @contextmanager
    def hold(self, chunks: Iterable[Chunk]) -> Iterator[Path]:
        """Hold bytes in a file for a while; see ``BlobStore.hold``."""
        with self._incoming_file() as (file, path):
            with self._told_when_full():
                _write(file, chunks)
            yield path

    def has(self, digest: str) -> bool:
        """Tell whether these bytes are kept."""
        return self._path(digest).is_file()

    def open(self, digest: str) -> BinaryIO:
        """Open the bytes for reading; see ``BlobStore.open``."""
        return self.local_path(digest).open("rb")

    def local_path(self, digest: str) -> Path:
        """Give the blob's own file."""
        path = self._path(digest)
        if not path.is_file():
            raise BlobNotFound(f"The store does not hold {digest}.", digest=digest)
        return path

    def delete(self, digest: str) -> None:
        """Forget the bytes."""
        self._path(digest).unlink(missing_ok=True)

    def is_older(self, digest: str, age_s: float) -> bool:
        """Tell whether these bytes were last put longer ago; see ``BlobStore.is_older``."""
        try:
            return time.time() - self._path(digest).stat().st_mtime > age_s
        except FileNotFoundError:
            return False

    def quarantine(self, digest: str) -> None:
        """Set damaged bytes aside, in ``quarantine`` beside the others."""
        folder = self.root / "quarantine"
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._path(digest).replace(folder / digest)

    def list_blobs(self) -> Iterator[Blob]:
        """Go through everything that is kept, in the order of the digests."""
        for path in sorted(self.root.glob("[0-9a-f][0-9a-f]/*")):
            yield Blob(digest=path.name, size_bytes=path.stat().st_size)

    def clear_incoming(self) -> int:
        """Remove what writers that died left behind; return how many files that was."""
        removed = 0
        for path in self.incoming.glob("*"):
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
            except (FileNotFoundError, BlockingIOError):
                continue  # Its writer lives, or has just finished with it.
            removed += 1
        return removed

    @contextmanager
    def _told_when_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if is_full(error):
                raise StorageFull(f"No room left in {self.root}.", path=str(self.root)) from error
            raise

    @contextmanager
    def _incoming_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Open a new locked file that is gone afterwards unless it was renamed."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        path, file = self._open_locked()
        try:
            with file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def _open_locked(self) -> tuple[Path, BinaryIO]:
        """Open a new file and lock it; one that was cleared between the two steps is no use."""
        while True:
            path = self.incoming / secrets.token_hex(16)
            file = path.open("xb", buffering=0)
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():
                return path, file
            file.close()

    def _settle(self, path: Path, digest: str) -> None:
        """Rename a whole file to its digest, and make the name itself durable."""
        target = self._path(digest)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync(self.root)
        path.chmod(0o444)
        path.replace(target)
        _sync(target.parent)

    def _path(self, digest: str) -> Path:
        """Make the path of a blob, here and nowhere else."""
        return self.root / digest[:2] / digest


def _sync(folder: Path) -> None:
    """Have a folder's names survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(file: BinaryIO, chunks: Iterable[Chunk]) -> Blob:
    """Write, hash and sync side by side: each takes about as long as the others."""
    with ThreadPoolExecutor(2, thread_name_prefix="blobs") as beside:
        writing = _Writing(file, beside)
        for chunk in chunks:
            octets = memoryview(chunk)
            octets = octets.cast("B") if octets.nbytes else octets[:0]
            for start in range(0, len(octets), PIECE):
                writing.add(octets[start : start + PIECE])
        return writing.finish()


class _Writing:
    """One file on its way: how much of it is written, hashed and synced."""

    def __init__(self, file: BinaryIO, beside: ThreadPoolExecutor) -> None:
        self.file = file
        self.beside = beside
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self.unsynced_bytes = 0
        self.syncing: Future[None] | None = None

    def add(self, piece: memoryview) -> None:
        """Write a piece while another thread hashes it; both are done with it afterwards."""
        size_bytes = len(piece)
        if size_bytes < FEWEST_BESIDE:
            self.sha256.update(piece)
            self._write(piece)
        else:
            hashing = self.beside.submit(self.sha256.update, piece)
            self._write(piece)
            hashing.result()
        self.size_bytes += size_bytes
        self.unsynced_bytes += size_bytes
        if self.unsynced_bytes >= SYNCED_BYTES:
            self._sync_beside()

    def finish(self) -> Blob:
        """Wait until everything would survive a power cut."""
        if self.syncing is not None:
            self.syncing.result()
        os.fsync(self.file.fileno())
        return Blob(digest=self.sha256.hexdigest(), size_bytes=self.size_bytes)

    def _write(self, piece: memoryview) -> None:
        while piece:
            piece = piece[self.file.write(piece) :]

    def _sync_beside(self) -> None:
        """Set the disk to work, so that little is left for the end, where all is synced again."""
        if self.syncing is not None:
            if not self.syncing.done():
                return
            # The system tells an error of the disk once: it must not get lost in a thread.
            self.syncing.result()
        self.unsynced_bytes = 0
        self.syncing = self.beside.submit(os.fsync, self.file.fileno())
