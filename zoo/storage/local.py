"""Blobs in a folder of this machine.

``<root>/<first two hex>/<digest>`` holds a blob; ``<root>/incoming`` holds bytes that are not whole
yet. A blob is hashed while it is written, synced and then renamed, so a name in the tree is always
whole. A writer keeps its incoming file locked: an unlocked one belongs to nobody alive.
"""

import contextlib
import errno
import fcntl
import hashlib
import math
import mmap
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.domain.revision import Blob
from zoo.errors import BlobNotFound, DigestMismatch, StorageFull, is_full
from zoo.storage.blobs import Chunk, chunks_of

PIECE = 2**22  # bytes that are hashed and written at a time
FEWEST_BESIDE = 2**16  # bytes worth a thread; hashing fewer takes no longer than waking one


class LocalBlobs:
    """A blob store in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self._settled: set[Path] = set()  # folders whose own names would survive a power cut
        self._settling = threading.Lock()

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    def check(self) -> None:
        """Say nothing: a folder that is missing is made when it is written to."""

    def put(
        self,
        chunks: Iterable[Chunk],
        *,
        expected: str | None = None,
        first: Callable[[Path, Blob], None] = lambda _path, _blob: None,
    ) -> Blob:
        """Keep the bytes; see ``BlobStore.put``.

        ``first`` is given the whole file before it is kept; where it raises, nothing is.
        """
        with self._told_when_full(), self._incoming_file() as (file, path):
            blob = _write(file, chunks)
            if expected is not None and blob.digest != expected:
                raise DigestMismatch(
                    f"The bytes have sha256 {blob.digest}, but {expected} was announced.",
                    expected=expected,
                    found=blob.digest,
                )
            first(path, blob)
            self._settle(path, blob.digest)
        return blob

    @contextmanager
    def hold(self, chunks: Iterable[Chunk]) -> Iterator[Path]:
        """Hold bytes in a file for a while; see ``BlobStore.hold``."""
        with ExitStack() as stack:
            with self._told_when_full():
                file, path = stack.enter_context(self._incoming_file())
                _write(file, chunks)
            yield path

    def has(self, digest: str) -> bool:
        """Tell whether these bytes are kept."""
        return self._path(digest).is_file()

    def find_kept(self, digests: Iterable[str]) -> set[str]:
        """Give those of some bytes that are kept."""
        return {digest for digest in digests if self.has(digest)}

    def open(self, digest: str) -> BinaryIO:
        """Open the bytes for reading; see ``BlobStore.open``."""
        path = self.local_path(digest)
        try:
            return path.open("rb")
        except FileNotFoundError as error:
            raise _gone(digest) from error  # It went between the two.

    def local_path(self, digest: str) -> Path:
        """Give the blob's own file."""
        path = self._path(digest)
        if not path.is_file():
            raise _gone(digest)
        return path

    def bring(self, digests: Iterable[str]) -> None:
        """Say nothing: they are here."""

    def read(self, digest: str) -> Iterator[bytes]:
        """Read the blob's own file; see ``BlobStore.read``."""
        with self.open(digest) as file:
            yield from chunks_of(file)

    def find_link(self, digest: str, *, seconds: int) -> None:
        """Give no URL: a folder has none."""

    def find_mark(self, digest: str) -> str | None:
        """Tell which file holds the bytes; those that are put back come to lie in another."""
        try:
            return str(self._path(digest).stat().st_ino)
        except FileNotFoundError:
            return None

    def delete(self, digest: str, *, older_than_s: float = -math.inf) -> bool:
        """Forget bytes of some age; see ``BlobStore.delete``."""
        path = self._path(digest)
        try:
            with _held(path.parent):
                is_old = self.is_older(digest, older_than_s)
                if is_old:
                    path.unlink()
        except FileNotFoundError:
            return False
        return is_old

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
            with contextlib.suppress(FileNotFoundError):  # It went meanwhile.
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
        self._make_root()
        self.incoming.mkdir(exist_ok=True)
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
        self._make_folder(target.parent)
        path.chmod(0o444)
        os.utime(path)  # It is young from now on, however long it took to write.
        with _held(target.parent) as descriptor:
            was_kept = target.exists()
            path.replace(target)
            try:
                os.fsync(descriptor)
            except OSError:
                # Whether the name came to the disk is unknown, and no later sync would say.
                if not was_kept:
                    target.unlink()
                raise

    def _make_root(self) -> None:
        """Make the store's own folder and its name durable, before there is anything in it.

        Every process does it once, as with the folders of blobs, and one at a time: nobody puts
        bytes into a folder whose name another one is about to find lost.
        """
        with self._settling:
            if self.root in self._settled and self.root.is_dir():
                return
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with _held(self.root.parent) as descriptor:
                self.root.mkdir(exist_ok=True)
                try:
                    os.fsync(descriptor)
                except OSError:
                    with contextlib.suppress(OSError):  # It holds something, so it was durable.
                        self.root.rmdir()
                    raise
            self._settled.add(self.root)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of blobs and its name durable.

        One that is there already may be of a writer that died, or is, before its name was synced;
        so every process does it once.
        """
        with self._settling:
            if folder in self._settled and folder.is_dir():
                return
            folder.mkdir(parents=True, exist_ok=True)
            try:
                _sync(self.root)
            except OSError:
                with contextlib.suppress(OSError):  # It holds blobs of others.
                    folder.rmdir()
                raise
            self._settled.add(folder)

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


@contextmanager
def _held(folder: Path) -> Iterator[int]:
    """Open a folder for one at a time, of all processes, who changes its names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems lock no folders; two calls in a row are then all there is.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _gone(digest: str) -> BlobNotFound:
    return BlobNotFound(f"The store does not hold {digest}.", digest=digest)


def _write(file: BinaryIO, chunks: Iterable[Chunk]) -> Blob:
    """Write and hash side by side, and wait until everything would survive a power cut."""
    with ThreadPoolExecutor(1, thread_name_prefix="blobs") as beside:
        writing = _Writing(file, memoryview(mmap.mmap(-1, PIECE)), beside)
        for chunk in chunks:
            octets = memoryview(chunk)
            writing.add(octets.cast("B") if octets.nbytes else octets[:0])
        return writing.finish()


class _Writing:
    """One file on its way, gathered into pieces of memory that begin where a page does.

    Full pieces go past the system's cache: through it each GiB costs a processor some two seconds
    more, for a copy that pushes out what is read more often. What is shorter than a piece is left
    to the cache, and so is everything where the file system knows no other way.
    """

    def __init__(self, file: BinaryIO, buffer: memoryview, beside: ThreadPoolExecutor) -> None:
        self.file = file
        self.buffer = buffer
        self.beside = beside
        self.sha256 = hashlib.sha256()
        self.filled = 0
        self.size_bytes = 0

    def add(self, octets: memoryview) -> None:
        """Take bytes in; they are done with afterwards."""
        while octets:
            part = octets[: PIECE - self.filled]
            self.buffer[self.filled : self.filled + len(part)] = part
            self.filled += len(part)
            octets = octets[len(part) :]
            if self.filled == PIECE:
                self._flush(is_direct=True)

    def finish(self) -> Blob:
        """Write the rest and wait until everything would survive a power cut."""
        self._flush(is_direct=False)
        os.fsync(self.file.fileno())
        return Blob(digest=self.sha256.hexdigest(), size_bytes=self.size_bytes)

    def _flush(self, *, is_direct: bool) -> None:
        """Write what is gathered while another thread hashes it."""
        piece = self.buffer[: self.filled]
        if self.filled < FEWEST_BESIDE:
            self.sha256.update(piece)
            self._write(piece, is_direct=is_direct)
        else:
            hashing = self.beside.submit(self.sha256.update, piece)
            try:
                self._write(piece, is_direct=is_direct)
            finally:
                hashing.result()
        self.size_bytes += self.filled
        self.filled = 0

    def _write(self, piece: memoryview, *, is_direct: bool) -> None:
        is_set = _set_direct(self.file.fileno(), is_on=is_direct)
        try:
            written = self.file.write(piece)
        except OSError as error:
            if not is_set or error.errno != errno.EINVAL:
                raise
            written = 0  # The file system takes the flag and refuses the write.
        if written < len(piece):
            # A write that was cut short may end where no direct one can begin.
            _set_direct(self.file.fileno(), is_on=False)
        while written < len(piece):
            written += self.file.write(piece[written:])


def _set_direct(descriptor: int, *, is_on: bool) -> bool:
    """Have writes go past the system's cache, or through it; tell whether they go past it."""
    direct = getattr(os, "O_DIRECT", 0)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    wanted = flags | direct if is_on else flags & ~direct
    if wanted != flags:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, wanted)
        except OSError:
            return False  # A file system in memory, for one, has no other way.
    return is_on and direct != 0
