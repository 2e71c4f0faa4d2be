"""Blobs in memory, for tests and for trying things out."""

import hashlib
import io
import math
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.domain.revision import Blob
from zoo.errors import BlobNotFound, DigestMismatch
from zoo.storage.blobs import Chunk


class MemoryBlobs:
    """A blob store that is gone with its process."""

    def __init__(self, spill: Path) -> None:
        self._kept: dict[str, bytes] = {}
        self._put_at: dict[str, float] = {}
        self._aside: dict[str, bytes] = {}
        self._spill = spill  # a folder for those who need a file

    @property
    def place(self) -> str:
        """The object: no other has these bytes."""
        return f"memory {id(self)}"

    def check(self) -> None:
        """Say nothing: memory answers."""

    def put(self, chunks: Iterable[Chunk], *, expected: str | None = None) -> Blob:
        """Keep the bytes; see ``BlobStore.put``."""
        data = b"".join(map(bytes, chunks))
        digest = hashlib.sha256(data).hexdigest()
        if expected not in {None, digest}:
            raise DigestMismatch(
                f"The bytes have sha256 {digest}, but {expected} was announced.",
                expected=expected,
                found=digest,
            )
        self._kept[digest] = data
        self._put_at[digest] = time.monotonic()
        return Blob(digest=digest, size_bytes=len(data))

    @contextmanager
    def hold(self, chunks: Iterable[Chunk]) -> Iterator[Path]:
        """Hold bytes in a file for a while; see ``BlobStore.hold``."""
        with tempfile.NamedTemporaryFile(dir=self._spill) as file:
            file.writelines(chunks)
            file.flush()
            yield Path(file.name)

    def has(self, digest: str) -> bool:
        """Tell whether these bytes are kept."""
        return digest in self._kept

    def find_kept(self, digests: Iterable[str]) -> set[str]:
        """Give those of some bytes that are kept."""
        return self._kept.keys() & set(digests)

    def open(self, digest: str) -> BinaryIO:
        """Open the bytes for reading; see ``BlobStore.open``."""
        return io.BytesIO(self._get(digest))

    def local_path(self, digest: str) -> Path:
        """Spill the bytes to a file and give its path."""
        path = self._spill / digest
        path.write_bytes(self._get(digest))
        return path

    def bring(self, digests: Iterable[str]) -> None:
        """Say nothing: they are here."""

    def read(self, digest: str) -> Iterator[bytes]:
        """Give the bytes in one piece; see ``BlobStore.read``."""
        yield self._get(digest)

    def find_link(self, digest: str, *, seconds: int) -> None:
        """Give no URL: memory has none."""

    def find_mark(self, digest: str) -> str | None:
        """Tell when the bytes were put; see ``BlobStore.find_mark``."""
        return str(self._put_at[digest]) if digest in self._kept else None

    def delete(self, digest: str, *, older_than_s: float = -math.inf) -> bool:
        """Forget bytes of some age; see ``BlobStore.delete``."""
        is_old = self.is_older(digest, older_than_s)
        if is_old:
            del self._kept[digest]
        return is_old

    def is_older(self, digest: str, age_s: float) -> bool:
        """Tell whether these bytes were last put longer ago; see ``BlobStore.is_older``."""
        return digest in self._kept and time.monotonic() - self._put_at[digest] > age_s

    def quarantine(self, digest: str) -> None:
        """Set damaged bytes aside."""
        if digest in self._kept:
            self._aside[digest] = self._kept.pop(digest)

    def list_blobs(self) -> Iterator[Blob]:
        """Go through everything that is kept, in the order of the digests."""
        for digest in sorted(self._kept):
            yield Blob(digest=digest, size_bytes=len(self._kept[digest]))

    def _get(self, digest: str) -> bytes:
        try:
            return self._kept[digest]
        except KeyError as error:
            raise BlobNotFound(f"The store does not hold {digest}.", digest=digest) from error
