"""Pushing and pulling whole revisions: several files at once, gone on with, every byte checked."""

import fcntl
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from zoo.client.reading import Asking
from zoo.client.remote import Remote
from zoo.domain.revision import COMMIT, MAIN, Blob, File, Revision, revision_id, split_address
from zoo.errors import DigestMismatch, ServerUnreachable, UploadMoved
from zoo.operations.fetch import get_revision, local_files
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish
from zoo.storage.blobs import chunks_of

AT_ONCE = 4
TRIES = 5  # at one place of a file where the connection breaks
PAUSE_S = 0.1  # before the first of them; twice as long before each further one

Report = Callable[[int, int], None]


class Count:
    """Bytes that several threads have moved."""

    def __init__(self, total: int, report: Report) -> None:
        self.total = total
        self.done = 0
        self._report = report
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count some more."""
        with self._lock:
            self.done += count
            self._report(min(self.done, self.total), self.total)


def pull(
    zoo: Zoo, remote: Remote, address: str, *, name: str | None = None, report: Report
) -> Revision:
    """Fetch a revision of another zoo and publish it here, under the same id.

    Files that are here already are not fetched; a file that broke off goes on where it stopped,
    also in a later process. ``report`` is told (done, total) bytes.

    Raises:
        ServerUnreachable: the other zoo does not answer.
        DigestMismatch: what came is not what it says; nothing is published.
        ModelNotFound, RevisionNotFound, Unauthenticated, Forbidden: it does not give it.
        StorageFull: there is no room.
    """
    model, ref = split_address(address)
    revision = Asking(remote).get_revision(address)
    if revision_id(revision.files) != revision.id:
        raise DigestMismatch(
            f"The files that {remote.url} tells of {revision.address} do not give its id.",
            hint="That zoo is damaged, or not the one you mean.",
        )
    count = Count(revision.size_bytes, report)
    blobs = _side_by_side(revision.files, lambda file: _fetch(zoo, remote, revision, file, count))
    return publish(
        zoo,
        Publication(
            model=name or model,
            files={file.path: blobs[file.digest] for file in revision.files},
            message=revision.message,
            summary=revision.summary,
            refs=(MAIN if COMMIT.fullmatch(ref) else ref,),
        ),
    )


def push(  # noqa: PLR0913  # what is sent, and where it goes
    zoo: Zoo,
    remote: Remote,
    address: str,
    *,
    name: str | None = None,
    ref: str | None = None,
    report: Report,
) -> str:
    """Send a revision to another zoo and publish it there; give its address.

    Files that are there already are not sent; a file that broke off goes on where it stopped, also
    in a later process. ``report`` is told (done, total) bytes.

    Raises:
        ServerUnreachable: the other zoo does not answer.
        ModelNotFound, RevisionNotFound: there is no such revision here.
        Unauthenticated, Forbidden: the other zoo does not take it.
    """
    revision = get_revision(zoo, address)
    model, own_ref = name or revision.model, split_address(address)[1]
    send_files(remote, model, dict(_with_paths(zoo, revision)), report=report)
    target = ref or (MAIN if COMMIT.fullmatch(own_ref) else own_ref)
    body = {
        "files": {file.path: file.digest for file in revision.files},
        "message": revision.message,
        "summary": revision.summary,
        "ref": target,
    }
    made = remote.ask("PUT", f"/v1/models/{quote(model)}/revisions/{revision.id}", body)
    return f"{made['model']}@{made['id']}"


def send_files(remote: Remote, model: str, paths: Mapping[File, Path], *, report: Report) -> None:
    """Send files, to be named in a revision of a model; what is there already is not sent.

    Raises:
        ServerUnreachable: the other zoo does not answer.
        Unauthenticated, Forbidden, QuotaExceeded: it does not take them.
    """
    once = {file.digest: (file, path) for file, path in paths.items()}
    count = Count(sum(file.size_bytes for file, _ in once.values()), report)
    at = f"/v1/models/{quote(model)}"
    told = remote.ask("POST", f"{at}/uploads", {"digests": sorted(once)})
    kept = {one["digest"] for one in told["uploads"] if one["is_kept"]}
    for digest in kept:
        count.add(once[digest][0].size_bytes)
    missing = tuple(file for digest, (file, _) in once.items() if digest not in kept)
    _side_by_side(missing, lambda file: _send(remote, at, file, once[file.digest][1], count))


def fetch_into(remote: Remote, revision: Revision, file: File, part: BinaryIO) -> None:
    """Fetch a file of a revision into one that is open and empty, and hold it against its digest.

    Raises:
        ServerUnreachable: the other zoo does not answer.
        DigestMismatch: other bytes came.
    """
    count = Count(file.size_bytes, lambda _done, _total: None)
    at = file_path(revision, file)
    _go_on(lambda: _append(remote, at, part, file, count), lambda: part.seek(0, 2))
    part.seek(0)
    found = hashlib.sha256()
    for chunk in chunks_of(part):
        found.update(chunk)
    if found.hexdigest() != file.digest:
        raise damaged(remote, revision, file)


def file_path(revision: Revision, file: File) -> str:
    """Give the path of a file of a revision over REST."""
    return f"/v1/models/{quote(revision.model)}/revisions/{revision.id}/files/{quote(file.path)}"


def damaged(remote: Remote, revision: Revision, file: File) -> DigestMismatch:
    """Say that other bytes came than a revision tells of."""
    return DigestMismatch(
        f"What {remote.url} gives as {file.path} of {revision.address} has not its SHA-256.",
        hint="That zoo's copy is damaged: have its admin see `zoo verify --all` and `zoo repair`.",
        path=file.path,
        expected=file.digest,
    )


def _side_by_side(files: tuple[File, ...], move: Callable[[File], Blob]) -> dict[str, Blob]:
    """Move several files at once; the first that fails ends the others before they begin."""
    once = {file.digest: file for file in files}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        moving = [pool.submit(move, file) for file in once.values()]
        try:
            return {done.result().digest: done.result() for done in as_completed(moving)}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(zoo: Zoo, remote: Remote, revision: Revision, file: File, count: Count) -> Blob:
    """Fetch a file, unless it is here."""
    blob = Blob(digest=file.digest, size_bytes=file.size_bytes)
    if zoo.blobs.has(file.digest):
        count.add(file.size_bytes)
        return blob
    path = zoo.settings.home / "cache" / "pulls" / file.digest
    path.parent.mkdir(parents=True, exist_ok=True)
    at = file_path(revision, file)
    with path.open("ab+", buffering=0) as part:
        fcntl.flock(part, fcntl.LOCK_EX)  # Another process may fetch the same.
        had = part.seek(0, 2)
        count.add(min(had, file.size_bytes))
        _go_on(lambda: _append(remote, at, part, file, count), lambda: part.seek(0, 2))
        part.seek(0)
        try:
            blob = zoo.blobs.put(chunks_of(part), expected=file.digest)
        finally:
            path.unlink(missing_ok=True)
    return blob


def _append(remote: Remote, at: str, part: BinaryIO, file: File, count: Count) -> None:
    """Fetch what is missing of a file.

    Raises:
        ServerUnreachable: the connection broke, or the answer ended before the file did.
    """
    had = part.seek(0, 2)
    if had >= file.size_bytes:
        return
    for piece in remote.fetch(at, offset=had):
        part.write(piece)
        count.add(len(piece))
    if part.tell() < file.size_bytes:
        raise ServerUnreachable(f"{remote.url} gave {part.tell()} bytes of {file.path}, not all.")


def _send(remote: Remote, at: str, file: File, path: Path, count: Count) -> Blob:
    """Send a file from where the other zoo says on."""
    received = 0

    def send() -> None:
        nonlocal received
        told = remote.ask("POST", f"{at}/uploads", {"digests": [file.digest]})["uploads"][0]
        offset = file.size_bytes if told["is_kept"] else told["received_bytes"]
        count.add(offset - received)
        received = offset
        if told["is_kept"]:
            return
        address = f"{at}/uploads/{file.digest}?size_bytes={file.size_bytes}&offset={offset}"
        with path.open("rb") as opened:
            opened.seek(offset)
            remote.send(address, opened, file.size_bytes - offset)

    _go_on(send, lambda: received)
    count.add(file.size_bytes - received)
    return Blob(digest=file.digest, size_bytes=file.size_bytes)


def _go_on(move: Callable[[], None], measure: Callable[[], int]) -> None:
    """Move a file, and go on when the connection breaks, as long as that gets it further.

    Raises:
        ServerUnreachable: it broke several times at one place.
    """
    stuck, before = 0, measure()
    while True:
        try:
            move()
        except (ServerUnreachable, UploadMoved):
            after = measure()
            stuck = stuck + 1 if after == before else 0
            before = after
            if stuck == TRIES:
                raise
            time.sleep(PAUSE_S * 2**stuck)
        else:
            return


def _with_paths(zoo: Zoo, revision: Revision) -> Iterator[tuple[File, Path]]:
    paths = local_files(zoo, revision)
    for file in revision.files:
        yield file, paths[file.path]
