"""What a blob store promises. Keepers: ``local``, ``s3``, ``memory``; one test file tries all."""

import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from zoo.domain.revision import Blob

Chunk = bytes | memoryview
"""Some of the bytes; a view is done with before the next chunk is asked for."""


class BlobStore(Protocol):
    """A place for immutable bytes, each named by its sha256."""

    @property
    def place(self) -> str:
        """Where the bytes are; two stores of one place are one."""
        ...

    def check(self) -> None:
        """See whether the store answers.

        Raises:
            BadSetting: it is not there, or refuses us.
            StoreUnavailable: it does not answer.
        """
        ...

    def put(self, chunks: Iterable[Chunk], *, expected: str | None = None) -> Blob:
        """Keep the bytes and return their name; keeping them twice is keeping them once.

        When this returns, the bytes survive a power cut. When it raises, nothing was kept.

        Raises:
            DigestMismatch: ``expected`` was given and is not the sha256 of the bytes.
            StorageFull: there is no room.
        """
        ...

    def hold(self, chunks: Iterable[Chunk]) -> AbstractContextManager[Path]:
        """Hold bytes in a file for as long as the context lasts; they are not kept.

        Raises:
            StorageFull: there is no room.
        """
        ...

    def has(self, digest: str) -> bool:
        """Tell whether these bytes are kept."""
        ...

    def find_kept(self, digests: Iterable[str]) -> set[str]:
        """Give those of some bytes that are kept."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Open the bytes for reading, seekable.

        Raises:
            BlobNotFound: they are not kept.
        """
        ...

    def local_path(self, digest: str) -> Path:
        """Give a file of this machine that holds the bytes, to be read and memory-mapped only.

        Raises:
            BlobNotFound: they are not kept.
        """
        ...

    def bring(self, digests: Iterable[str]) -> None:
        """Have ``local_path`` of many bytes be quick: what is elsewhere comes several at a time.

        Raises:
            BlobNotFound: some are not kept.
        """
        ...

    def read(self, digest: str) -> Iterator[bytes]:
        """Read the bytes as the store itself holds them, past every copy, and unchecked.

        Raises:
            BlobNotFound: they are not kept.
        """
        ...

    def find_link(self, digest: str, *, seconds: int) -> str | None:
        """Give a URL at which anyone may GET the bytes for a while; None where there is none.

        Whether they are kept is not looked at.
        """
        ...

    def find_mark(self, digest: str) -> str | None:
        """Give a text that is another one after other bytes came to lie there; None without any."""
        ...

    def delete(self, digest: str, *, older_than_s: float = -math.inf) -> bool:
        """Forget bytes that were last put longer ago than so many seconds; tell whether any went.

        Bytes that are put at the same time are either young, and stay, or put after they went.
        Forgetting what is not there is no error.
        """
        ...

    def is_older(self, digest: str, age_s: float) -> bool:
        """Tell whether these bytes are kept and were last put longer ago than so many seconds."""
        ...

    def quarantine(self, digest: str) -> None:
        """Set damaged bytes aside: they are not kept any more, and not lost either."""
        ...

    def list_blobs(self) -> Iterator[Blob]:
        """Go through everything that is kept."""
        ...


def chunks_of(file: BinaryIO, *, size_bytes: int = 2**20) -> Iterator[bytes]:
    """Read a file piece by piece."""
    while chunk := file.read(size_bytes):
        yield chunk
