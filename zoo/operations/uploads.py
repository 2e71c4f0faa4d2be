"""Bytes on their way to a revision: gone on with where they stopped, then named together."""

import contextlib
import fcntl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from zoo.domain.revision import MAIN, Blob, File, Revision, check_model_name, revision_id
from zoo.errors import DigestMismatch, Forbidden, MalformedUpload, UploadMoved
from zoo.operations.access import check_target
from zoo.operations.commit import find_proven, keep_upload
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.quotas import check_room
from zoo.operations.waiting import PIECES, check_waiting, waiting_folder
from zoo.storage.blobs import Chunk, chunks_of

AT_ONCE_BYTES = 2**23  # Up to here an upload that breaks off begins anew.


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an upload is."""

    digest: str
    is_kept: bool  # nothing has to be sent
    received_bytes: int  # what was sent of it; the next bytes are those after


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole revision by the digests of its files, all of which were sent before."""

    model: str
    id: str  # what the files have to give
    files: Mapping[str, str]  # path -> digest
    message: str
    summary: dict[str, Any] = field(default_factory=dict)
    ref: str = MAIN
    on_top_of: str | None = None


def ask_standing(zoo: Zoo, model: str, digests: Iterable[str]) -> list[Standing]:
    """Tell how far the caller's uploads of some bytes for a model are.

    Raises:
        BadName: no model can be called so.
        Forbidden: the caller may not write what belongs to its owner.
    """
    check_target(zoo, check_model_name(model))
    wanted = list(dict.fromkeys(digests))
    proven = find_proven(zoo, model, wanted)
    return [
        Standing(
            digest=digest,
            is_kept=digest in proven,
            received_bytes=0 if digest in proven else _received(_path(zoo, digest)),
        )
        for digest in wanted
    ]


def continue_upload(  # noqa: PLR0913  # what is sent, and where it belongs
    zoo: Zoo, model: str, digest: str, chunks: Iterable[Chunk], *, offset: int, size_bytes: int
) -> Standing:
    """Take in bytes of an upload from an offset on; at its end it is checked and kept.

    What was received stays when the connection breaks, so that a client can ask how far it came.

    Raises:
        UploadMoved: another number of bytes is here than the offset says.
        DigestMismatch: all bytes are here and do not have the digest; they are dropped.
        MalformedUpload: more bytes come than were announced.
        Forbidden: the caller may not write what belongs to the model's owner.
        QuotaExceeded: the owner of the model has no room for them.
        StorageFull: there is no room.
    """
    check_target(zoo, check_model_name(model))
    announced = Blob(digest=digest, size_bytes=size_bytes)
    check_room(zoo, model, [announced])
    if offset == 0 and size_bytes <= AT_ONCE_BYTES:
        keep_upload(zoo, model, chunks, announced=announced)
        return Standing(digest=digest, is_kept=True, received_bytes=size_bytes)
    check_waiting(zoo, model)
    path = _path(zoo, digest)
    with _locked(path) as file:
        received = file.seek(0, 2)
        if received != offset:
            raise UploadMoved(
                f"{received} bytes of {digest} are here, so it goes on there, not at {offset}.",
                received_bytes=received,
            )
        for chunk in chunks:
            if received + len(chunk) > size_bytes:
                raise MalformedUpload(f"More bytes came than the {size_bytes} announced.")
            received += _write(file, memoryview(chunk))
        if received < size_bytes:
            return Standing(digest=digest, is_kept=False, received_bytes=received)
        file.seek(0)
        try:
            keep_upload(zoo, model, chunks_of(file), announced=announced)
        except DigestMismatch:
            path.unlink(missing_ok=True)  # A sweep may have been here.
            raise
        path.unlink(missing_ok=True)
    return Standing(digest=digest, is_kept=True, received_bytes=size_bytes)


def publish_manifest(zoo: Zoo, manifest: Manifest) -> Revision:
    """Publish a revision of bytes that were sent before; the same one again is no second.

    Raises:
        Forbidden: the caller may not write here, or has not sent some of the bytes.
        DigestMismatch: the files do not give the id that was announced.
        RefMoved: the ref points to another revision than the one this is on top of.
        BadName: the model, the ref or a file cannot be called so.
    """
    files = get_proven(zoo, manifest.model, manifest.files)
    found = revision_id(_as_files(files))
    if found != manifest.id:
        raise DigestMismatch(
            f"The files give the revision {found}, and {manifest.id} was announced.",
            expected=manifest.id,
            found=found,
        )
    publication = Publication(
        model=manifest.model,
        files=files,
        message=manifest.message,
        summary=manifest.summary,
        refs=(manifest.ref,),
        on_top_of=manifest.on_top_of,
    )
    return get_revision(zoo, publish(zoo, publication).address)


def get_proven(zoo: Zoo, model: str, files: Mapping[str, str]) -> dict[str, Blob]:
    """Give the bytes of files, by path and digest, that the caller has sent for a model.

    Raises:
        BadName: no model can be called so.
        Forbidden: the caller may not write here, or has not sent some of the bytes.
    """
    check_target(zoo, check_model_name(model))
    proven = find_proven(zoo, model, files.values())
    missing = sorted(path for path, digest in files.items() if digest not in proven)
    if missing:
        raise Forbidden(
            f"The bytes of {', '.join(missing[:5])} were not sent here.",
            hint="Upload the files before a revision names them.",
            paths=missing[:100],
        )
    return {path: proven[digest] for path, digest in files.items()}


def _as_files(files: Mapping[str, Blob]) -> list[File]:
    return [
        File(path=path, digest=blob.digest, size_bytes=blob.size_bytes)
        for path, blob in files.items()
    ]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open what was received of an upload, for one sender at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadMoved(
                "Another connection is sending these bytes.",
                hint="Wait until it ends, ask how far it came, and go on there.",
            ) from error
        yield file


def _write(file: BinaryIO, octets: memoryview) -> int:
    """Write all of some bytes: a disk that is nearly full takes the first of them alone."""
    written = 0
    while written < len(octets):
        written += file.write(octets[written:])
    return written


def _received(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _path(zoo: Zoo, digest: str) -> Path:
    """Tell where the caller's bytes of an upload wait."""
    return waiting_folder(zoo, PIECES) / digest
