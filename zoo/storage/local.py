"""Blobs in a folder of this machine.

``<root>/<first two hex>/<digest>`` holds a blob; ``<root>/incoming`` holds bytes that are not whole
yet. A blob is hashed while it is written, synced once and then renamed, so a name in the tree is
always whole. A writer keeps its incoming file locked: an unlocked one belongs to nobody alive.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.domain.revision import Blob
from zoo.errors import BlobNotFound, DigestMismatch, StorageFull, is_full


class LocalBlobs:
    """A blob store in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"

    def put(self, chunks: Iterable[bytes], *, expected: str | None = None) -> Blob:
        """Keep the bytes; see ``BlobStore.put``."""
        try:
            with self._incoming_file() as (file, path):
                blob = _write(file, chunks)
                if expected is not None and blob.digest != expected:
                    raise DigestMismatch(
                        f"The bytes have sha256 {blob.digest}, but {expected} was announced.",
                        expected=expected,
                        found=blob.digest,
                    )
                self._settle(path, blob.digest)
        except OSError as error:
            if is_full(error):
                raise StorageFull(f"No room left in {self.root}.", path=str(self.root)) from error
            raise
        return blob

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

    def list_blobs(self) -> Iterator[Blob]:
        """Go through everything that is kept, in the order of the digests."""
        for path in sorted(self.root.glob("[0-9a-f][0-9a-f]/*")):
            yield Blob(digest=path.name, size_bytes=path.stat().st_size)

    def clear_incoming(self) -> int:
        """Remove what writers that died left behind; return how many files that was."""
        removed = 0
        for path in self.incoming.glob("*"):
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    @contextmanager
    def _incoming_file(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Open a new locked file that is gone afterwards unless it was renamed."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        path = self.incoming / secrets.token_hex(16)
        try:
            with path.open("xb", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def _settle(self, path: Path, digest: str) -> None:
        """Rename a whole file to its digest, and make the name itself durable."""
        target = self._path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.chmod(0o444)
        path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, digest: str) -> Path:
        """Make the path of a blob, here and nowhere else."""
        return self.root / digest[:2] / digest


def _write(file: BinaryIO, chunks: Iterable[bytes]) -> Blob:
    """Write and hash in one pass, then sync."""
    sha256 = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        sha256.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[file.write(view) :]
        size_bytes += len(chunk)
    os.fsync(file.fileno())
    return Blob(digest=sha256.hexdigest(), size_bytes=size_bytes)
