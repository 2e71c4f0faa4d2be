"""Taking in what clients of the Hub send by default: xorbs of chunks, then shards of files.

A xorb waits in the cache until a shard names its chunks. Then every file is put together, checked
against its SHA-256 and kept as any other upload; of the xorb only where its chunks lie in kept
files is remembered, so nothing is stored twice. A client that knows its chunks from before sends a
shard alone. What is remembered is an account's own: hashes of xorbs are not checked, files are.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from zoo.domain.revision import Blob
from zoo.errors import BlobNotFound, MalformedUpload
from zoo.formats.xet import (
    LARGEST_SHARD,
    LARGEST_XORB,
    Chunk,
    ShardFile,
    list_chunks,
    read_chunk,
    read_shard,
)
from zoo.operations.commit import keep_upload
from zoo.operations.opening import Zoo
from zoo.operations.waiting import XORBS, check_waiting, waiting_folder
from zoo.storage.blobs import Chunk as Piece

Place = tuple[str, int, int]  # digest of a kept file, offset and length of the chunk in it
WAITING, PLACED = ".xorb", ".json"
MOST_XORB_BYTES, MOST_SHARD_BYTES = LARGEST_XORB, LARGEST_SHARD


def keep_xorb(zoo: Zoo, model: str, digest: str, pieces: Iterable[Piece]) -> bool:
    """Keep a xorb until a shard names its chunks; tell whether it was new.

    Raises:
        QuotaExceeded: what waits already is all that the owner of the model may have.
        MalformedUpload: it does not follow the format or is too large; nothing is kept.
    """
    folder = _folder(zoo)
    if (folder / (digest + PLACED)).exists() or (folder / (digest + WAITING)).exists():
        for _ in pieces:
            pass
        return False
    check_waiting(zoo, model)
    folder.mkdir(parents=True, exist_ok=True)
    # With the same ending, so that a sweep finds it where this process is killed.
    fresh = folder / (secrets.token_hex(16) + WAITING)
    try:
        with fresh.open("xb+") as file:
            for piece in pieces:
                if file.tell() + len(piece) > LARGEST_XORB:
                    raise MalformedUpload(f"A xorb has at most {LARGEST_XORB} bytes.")
                file.write(piece)
            list_chunks(file)
        fresh.replace(folder / (digest + WAITING))
    finally:
        fresh.unlink(missing_ok=True)
    return True


def take_shard(zoo: Zoo, model: str, shard: bytes) -> list[Blob]:
    """Put the files of a shard together and keep them for a model.

    Raises:
        MalformedUpload: it does not follow the format, or its chunks are not here.
        DigestMismatch: a file's chunks do not make up the file of its SHA-256; it is not kept.
    """
    # One that is named again is the same bytes: they are kept once.
    files = {file.sha256: file for file in read_shard(shard)}
    with ExitStack() as stack:
        xorbs = _Xorbs(zoo, stack)
        kept = []
        for file in files.values():
            if file.size_bytes > zoo.settings.max_upload_bytes:
                raise MalformedUpload(f"A file of {file.size_bytes} bytes is larger than allowed.")
            announced = Blob(digest=file.sha256, size_bytes=file.size_bytes)
            kept.append(keep_upload(zoo, model, xorbs.read(file), announced=announced))
        xorbs.settle()
    return kept


class _Xorbs:
    """The xorbs that the files of a shard are made of, and where their chunks come to lie."""

    def __init__(self, zoo: Zoo, stack: ExitStack) -> None:
        self.zoo = zoo
        self.stack = stack
        self.folder = _folder(zoo)
        self.waiting: dict[str, tuple[BinaryIO, list[Chunk]]] = {}
        self.placed: dict[str, list[Place]] = {}
        self.found: dict[str, dict[int, Place]] = {}
        self.blobs: dict[str, BinaryIO] = {}

    def read(self, file: ShardFile) -> Iterator[bytes]:
        """Go through the chunks of a file."""
        offset = 0
        for segment in file.segments:
            for number in range(segment.first, segment.end):
                octets = self._read(segment.xorb, number)
                place = (file.sha256, offset, len(octets))
                self.found.setdefault(segment.xorb, {})[number] = place
                offset += len(octets)
                yield octets

    def settle(self) -> None:
        """Forget the bytes of xorbs whose every chunk lies in a kept file by now."""
        for digest, (_, chunks) in self.waiting.items():
            places = self.found[digest]
            if len(places) < len(chunks):
                continue  # The rest is of a file that another shard tells of.
            fresh = self.folder / secrets.token_hex(16)
            fresh.write_text(json.dumps([places[number] for number in range(len(chunks))]))
            fresh.replace(self.folder / (digest + PLACED))
            (self.folder / (digest + WAITING)).unlink(missing_ok=True)

    def _read(self, digest: str, number: int) -> bytes:
        if digest not in self.waiting and digest not in self.placed:
            self._open(digest)
        if digest in self.placed:
            return self._read_placed(digest, number)
        file, chunks = self.waiting[digest]
        if number >= len(chunks):
            raise MalformedUpload(f"The xorb {digest} has no chunk {number}.")
        return read_chunk(file, chunks[number])

    def _open(self, digest: str) -> None:
        placed, waiting = self.folder / (digest + PLACED), self.folder / (digest + WAITING)
        if placed.exists():
            self.placed[digest] = [tuple(place) for place in json.loads(placed.read_text())]
            os.utime(placed)
        elif waiting.exists():
            file = self.stack.enter_context(waiting.open("rb"))
            self.waiting[digest] = (file, list_chunks(file))
        else:
            raise _gone(digest)

    def _read_placed(self, digest: str, number: int) -> bytes:
        places = self.placed[digest]
        if number >= len(places):
            raise MalformedUpload(f"The xorb {digest} has no chunk {number}.")
        blob, offset, length = places[number]
        if blob not in self.blobs:
            try:
                self.blobs[blob] = self.stack.enter_context(self.zoo.blobs.open(blob))
            except BlobNotFound as error:
                (self.folder / (digest + PLACED)).unlink(missing_ok=True)
                raise _gone(digest) from error
        self.blobs[blob].seek(offset)
        return self.blobs[blob].read(length)


def _folder(zoo: Zoo) -> Path:
    return waiting_folder(zoo, XORBS)


def _gone(digest: str) -> MalformedUpload:
    return MalformedUpload(
        f"The chunks of the xorb {digest} are not here.",
        hint="The client remembers sending them to another zoo, or long ago: remove its cache"
        " (~/.cache/huggingface/xet) and upload again.",
    )
