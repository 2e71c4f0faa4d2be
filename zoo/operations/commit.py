"""Changing files of a branch: what is sent and deleted, on top of what is there."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from zoo.catalog import models, refs, uploads
from zoo.domain.access import Role
from zoo.domain.config import (
    CONFIG,
    DENSE,
    GRAPH,
    LAYERS,
    PARITY,
    QUANTIZATION,
    REPORT,
    TRAINING,
    WEIGHTS,
)
from zoo.domain.revision import (
    MAIN,
    Blob,
    RefKind,
    Revision,
    check_file_path,
    check_model_name,
)
from zoo.errors import Conflict, MalformedUpload, RefMoved
from zoo.operations.access import check_role, check_visible
from zoo.operations.committed import queue_import
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.quotas import check_bytes, check_room
from zoo.storage.blobs import Chunk

# Of what a network is built from.
DERIVED = {GRAPH, PARITY, LAYERS, DENSE, QUANTIZATION, REPORT, TRAINING}
SHORTENED = re.compile("[0-9a-f]{7,39}")  # as clients write commits
MOST_TRIES = 20  # at a branch that others publish on at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a commit does to the files of a branch; paths that end in '/' are whole folders."""

    model: str
    ref: str = MAIN
    message: str
    added: Mapping[str, Blob] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    # The revision that the branch must point to, or the beginning of its id; None is whichever.
    on_top_of: str | None = None


def keep_upload(zoo: Zoo, model: str, chunks: Iterable[Chunk], *, announced: Blob) -> Blob:
    """Keep bytes that a caller sends for a model, to be named in a commit.

    Raises:
        DigestMismatch: they do not have the digest that was announced.
        MalformedUpload: more bytes come than were announced; the rest is not even looked at.
        QuotaExceeded: the owner of the model has no room for them; nothing is read.
        StorageFull: there is no room.
        Conflict: a sweep whose grace is shorter than the upload has taken them.
    """
    check_room(zoo, model, [announced])
    blob = zoo.blobs.put(_bounded(chunks, announced.size_bytes), expected=announced.digest)
    with zoo.catalog.writing() as db:
        check_bytes(zoo, db, model, [blob])
        if not zoo.blobs.has(blob.digest):
            raise Conflict(
                f"A sweep took {blob.digest} before it was written down.",
                hint="Send it again; give uploads more time with ZOO_GRACE_S.",
            )
        uploads.add_upload(db, zoo.caller, model, blob, now=zoo.clock())
    return blob


def keep_content(zoo: Zoo, model: str, content: bytes) -> Blob:
    """Keep bytes that a caller has sent whole; see ``keep_upload``."""
    digest = hashlib.sha256(content).hexdigest()
    announced = Blob(digest=digest, size_bytes=len(content))
    return keep_upload(zoo, model, [content], announced=announced)


def _bounded(chunks: Iterable[Chunk], size_bytes: int) -> Iterator[Chunk]:
    """Pass on as many bytes as were announced."""
    passed = 0
    for chunk in chunks:
        passed += len(chunk)
        if passed > size_bytes:
            raise MalformedUpload(f"More bytes came than the {size_bytes} announced.")
        yield chunk


def find_proven(zoo: Zoo, model: str, digests: Iterable[str]) -> dict[str, Blob]:
    """Give those of the digests whose bytes are kept and known to be the caller's to name."""
    with zoo.catalog.reading() as db:
        found = uploads.find_proven(db, zoo.caller, model, set(digests))
    kept = zoo.blobs.find_kept(found)
    return {digest: blob for digest, blob in found.items() if digest in kept}


def check_writable(zoo: Zoo, name: str) -> str:
    """Give the name that a model has by now, to a caller who may write it.

    Raises:
        ModelNotFound: there is none that the caller may know of.
        Forbidden: the caller may not write what belongs to its owner.
    """
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        current = models.get_model(db, name).name
    check_role(zoo, Role.WRITE, current)
    return current


def commit(zoo: Zoo, change: Change) -> Revision:
    """Publish what a branch holds with some files sent and some deleted.

    Of two who change one branch at a time neither is lost: the second is put on top of the first,
    unless it said what it is on top of. What the zoo derived from a network (its graph, its report)
    does not outlive a change of the network. Where main holds a checkpoint afterwards that can be
    read, a job is queued that makes it able to predict.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model or branch.
        BadName: a file cannot be called so.
        Conflict: the ref is no branch, or the bytes of an added file are not in the store.
        RefMoved: the branch points to another revision than it was said to.
        Forbidden: the caller may not write here.
    """
    name = check_writable(zoo, change.model)
    for path in change.added:
        check_file_path(path)
    for _ in range(MOST_TRIES):
        head = _get_head(zoo, name, change.ref)
        if change.on_top_of is not None and not _is_at(head, change.on_top_of):
            raise RefMoved(
                f"{change.ref!r} of {name!r} points to {head.id} by now, not to"
                f" {change.on_top_of}.",
                expected=change.on_top_of,
                found=head.id,
            )
        try:
            revision = _publish(zoo, name, change, head)
        except RefMoved:
            if change.on_top_of is not None:
                raise
        else:
            queue_import(zoo, head, revision, ref=change.ref)
            return revision
    raise RefMoved(f"{change.ref!r} of {name!r} moves too fast to be changed.")


def _is_at(head: Revision, wanted: str) -> bool:
    """Tell whether a branch points to a revision that is named by its id, or by its beginning."""
    return head.id == wanted or (
        SHORTENED.fullmatch(wanted) is not None and head.id.startswith(wanted)
    )


def _publish(zoo: Zoo, name: str, change: Change, head: Revision) -> Revision:
    files = _apply(change, head)
    is_same = {path: blob.digest for path, blob in files.items()} == {
        file.path: file.digest for file in head.files
    }
    if is_same:
        return head
    is_served = GRAPH in files
    return publish(
        zoo,
        Publication(
            model=name,
            files=files,
            message=change.message,
            summary=head.summary if is_served else {},
            parent=head.parent if is_served else None,
            dataset=head.dataset if is_served else None,
            refs=(change.ref,),
            on_top_of=head.id,
        ),
    )


def _apply(change: Change, head: Revision) -> dict[str, Blob]:
    """Give the files of a branch after a change."""
    before = {
        file.path: Blob(digest=file.digest, size_bytes=file.size_bytes) for file in head.files
    }
    gone = set(change.deleted)
    kept = {path: blob for path, blob in before.items() if gone.isdisjoint(_around(path))}
    files = kept | dict(change.added)
    rebuilt = {WEIGHTS, CONFIG} | {path for path in before if path.endswith(".prototxt")}
    is_other = any(before.get(path) != files.get(path) for path in rebuilt)
    if PARITY in before and is_other:
        stale = {path for path in DERIVED if before.get(path) == files.get(path)}
        files = {path: blob for path, blob in files.items() if path not in stale}
    return files


def _around(path: str) -> Iterator[str]:
    """Give a path and the folders that it lies in."""
    yield path
    for end, letter in enumerate(path, 1):
        if letter == "/":
            yield path[:end]


def _get_head(zoo: Zoo, name: str, ref: str) -> Revision:
    """Give what a branch points to."""
    with zoo.catalog.reading() as db:
        found = refs.get_ref(db, name, ref)
        head = models.get_revision(db, name, ref)
    if found.kind is not RefKind.BRANCH:
        raise Conflict(
            f"{ref!r} of {name!r} is a {found.kind.value}, and commits go to branches.",
            hint="Commit to main or another branch.",
        )
    return head
