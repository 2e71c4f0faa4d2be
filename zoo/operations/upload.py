"""Publishing files that were sent: kept as they came, checked where their form is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.domain.config import GRAPH
from zoo.domain.revision import MAIN, Blob, Revision, check_file_path, check_model_name
from zoo.errors import BadName, DigestMismatch, NotFound, Unsupported
from zoo.operations.access import check_target
from zoo.operations.fetch import get_revision
from zoo.operations.import_ import (
    ImportOptions,
    Prepared,
    enqueue_import,
    is_importable,
    prepare_import,
)
from zoo.operations.opening import Zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.uploads import get_proven

UPLOAD = "upload"  # the ref of what was sent last, where main points to something better


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file that is being sent."""

    path: str
    chunks: Iterable[bytes]
    announced: str | None = None  # the sha256 it should have


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What became of an upload."""

    revision: Revision
    job: int | None
    note: str


def upload_revision(zoo: Zoo, model: str, uploads: Iterable[Upload], *, message: str) -> Uploaded:
    """Publish files as a revision; for a checkpoint that can run, queue the job for it.

    Raises:
        BadName: the model or a file cannot be called so, or two files are called alike.
        DigestMismatch: a file is not the one announced; nothing is published.
        Invalid: it is a checkpoint that cannot be right; nothing is published.
        Forbidden: the caller may not write what belongs to its owner; nothing is kept.
        StorageFull: there is no room.
    """
    check_target(zoo, check_model_name(model))
    files: dict[str, Blob] = {}
    for upload in uploads:
        path = check_file_path(upload.path)
        if path in files:
            raise BadName(f"Two files are called {path!r}.", path=path)
        files[path] = _put(zoo, path, upload)
    return publish_files(zoo, model, files, message=message)


def publish_sent(zoo: Zoo, model: str, digests: Mapping[str, str], *, message: str) -> Uploaded:
    """Publish files that were sent before, by path and digest, as ``upload_revision`` does.

    Raises:
        Forbidden: the caller may not write here, or has not sent some of the bytes.
        As ``upload_revision``.
    """
    sent = {check_file_path(path): digest for path, digest in digests.items()}
    return publish_files(zoo, model, get_proven(zoo, model, sent), message=message)


def publish_files(zoo: Zoo, model: str, files: dict[str, Blob], *, message: str) -> Uploaded:
    """Publish files that are kept; for a checkpoint that can run, queue the job for it.

    Raises:
        Invalid: it is a checkpoint that cannot be right; nothing is published.
        Forbidden: the caller may not write what belongs to its owner.
    """
    prepared, note = _prepare(zoo, model, files)
    refs = (UPLOAD,) if _would_stop_serving(zoo, model, files) else (MAIN,)
    if refs == (UPLOAD,):
        note += f" The ref {UPLOAD!r} points to it; main stays at a revision that can predict."
    publication = Publication(model=model, files=files, message=message, refs=refs)
    revision = publish(zoo, publication)
    job = enqueue_import(zoo, prepared) if prepared else None
    return Uploaded(revision=revision, job=job.id if job else None, note=note)


def _would_stop_serving(zoo: Zoo, model: str, files: dict[str, Blob]) -> bool:
    """Tell whether main points to a revision that can predict and this one cannot."""
    if GRAPH in files:
        return False
    try:
        return get_revision(zoo, model).find_file(GRAPH) is not None
    except NotFound:
        return False


def _put(zoo: Zoo, path: str, upload: Upload) -> Blob:
    """Keep one file; what is wrong with it is told with its path."""
    try:
        return zoo.blobs.put(upload.chunks, expected=upload.announced)
    except DigestMismatch as error:
        told = DigestMismatch(f"{path}: {error}")
        told.detail = {"path": path, **error.detail}
        raise told from error


def _prepare(zoo: Zoo, model: str, files: dict[str, Blob]) -> tuple[Prepared | None, str]:
    """Read a checkpoint whose form is known; anything else is kept as it is."""
    if GRAPH in files or not is_importable(zoo, files):
        return None, "Stored as it came."
    try:
        prepared = prepare_import(zoo, files, ImportOptions(name=model))
    except Unsupported as error:
        return None, f"Stored, not runnable: {error}"
    if not prepared.is_runnable:
        return None, f"Stored, not runnable: {prepared.draft.reason}"
    return prepared, "Stored; a job makes it able to predict."
