"""What nothing refers to: deleted models past their time, blobs without a reference."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, or_, select, union, update
from sqlalchemy.orm import Session

from zoo.catalog.rows import as_revision, note_change
from zoo.catalog.tables import (
    AttemptRow,
    BlobRow,
    DownloadRow,
    FileRow,
    JobRow,
    ModelRow,
    PictureRow,
    RefMoveRow,
    RefRow,
    RenameRow,
    RevisionRow,
    UploadRow,
)
from zoo.domain.job import JobKind, JobState
from zoo.domain.revision import Blob, Revision

BATCH = 500  # digests in one statement
DIGEST = 64  # letters of one


def list_expired(db: Session, *, before: datetime) -> list[str]:
    """List the models that were deleted before a time."""
    wanted = select(ModelRow.name).where(ModelRow.deleted_at < before).order_by(ModelRow.name)
    return list(db.scalars(wanted))


def purge_model(db: Session, name: str) -> None:
    """Forget a deleted model with its revisions, refs and history; the name is free again."""
    row = db.scalar(select(ModelRow).where(ModelRow.name == name))
    if row is None or row.deleted_at is None:
        return
    own = select(RevisionRow.pk).where(RevisionRow.model_pk == row.pk).scalar_subquery()
    # A child that was made after the deletion, by a job that ran, loses its parent.
    db.execute(update(RevisionRow).where(RevisionRow.parent_pk.in_(own)).values(parent_pk=None))
    db.execute(update(RevisionRow).where(RevisionRow.model_pk == row.pk).values(previous_pk=None))
    db.execute(delete(RefMoveRow).where(RefMoveRow.model_pk == row.pk))
    db.execute(delete(RefRow).where(RefRow.model_pk == row.pk))
    db.execute(delete(RenameRow).where(RenameRow.model_pk == row.pk))
    db.execute(delete(DownloadRow).where(DownloadRow.model_pk == row.pk))
    db.execute(delete(FileRow).where(FileRow.revision_pk.in_(own)))
    db.execute(delete(RevisionRow).where(RevisionRow.model_pk == row.pk))
    db.execute(delete(UploadRow).where(UploadRow.model == name))
    db.execute(delete(ModelRow).where(ModelRow.pk == row.pk))
    note_change(db, row.pk)
    db.expire_all()


def purge_uploads(db: Session, *, before: datetime) -> None:
    """Forget who sent bytes before a time; what came of them is in revisions."""
    db.execute(delete(UploadRow).where(UploadRow.at < before))


def find_unreferenced(db: Session, digests: Collection[str], *, sent_since: datetime) -> set[str]:
    """Find those of some digests that no file, picture, job or recent upload refers to."""
    wanted = list(digests)
    held: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        held |= set(
            db.scalars(
                union(
                    select(FileRow.digest).where(FileRow.digest.in_(part)),
                    select(PictureRow.digest).where(PictureRow.digest.in_(part)),
                    select(UploadRow.digest).where(
                        UploadRow.digest.in_(part), UploadRow.at >= sent_since
                    ),
                )
            )
        )
    rest = set(wanted) - held
    return rest - _held_by_jobs(db) if rest else rest


def forget_blobs(db: Session, digests: Collection[str]) -> None:
    """Forget that bytes were ever referred to."""
    wanted = list(digests)
    for start in range(0, len(wanted), BATCH):
        db.execute(delete(BlobRow).where(BlobRow.digest.in_(wanted[start : start + BATCH])))


def list_blobs(db: Session) -> Iterator[Blob]:
    """Go through all bytes that files and pictures refer to, in the order of their digests."""
    used = union(select(FileRow.digest), select(PictureRow.digest)).subquery()
    rows = db.execute(
        select(BlobRow.digest, BlobRow.size_bytes)
        .where(BlobRow.digest.in_(select(used.c.digest)))
        .order_by(BlobRow.digest)
    )
    for digest, size_bytes in rows:
        yield Blob(digest=digest, size_bytes=size_bytes)


def find_next_blob(db: Session, *, after: str) -> Blob | None:
    """Find the bytes after a digest that files or pictures refer to; None at the end."""
    row = db.execute(
        select(BlobRow.digest, BlobRow.size_bytes)
        .where(
            BlobRow.digest > after,
            or_(
                exists().where(FileRow.digest == BlobRow.digest),
                exists().where(PictureRow.digest == BlobRow.digest),
            ),
        )
        .order_by(BlobRow.digest)
        .limit(1)
    ).first()
    return Blob(digest=row.digest, size_bytes=row.size_bytes) if row else None


def measure_blobs(db: Session) -> int:
    """Measure all bytes that were ever referred to and not swept."""
    return int(db.scalar(select(func.coalesce(func.sum(BlobRow.size_bytes), 0))) or 0)


def list_users(db: Session, digest: str, *, limit: int = 5) -> list[str]:
    """Say which files of revisions and pictures of datasets consist of these bytes."""
    files = db.execute(
        select(ModelRow.name, RevisionRow.id, FileRow.path)
        .join(RevisionRow, RevisionRow.pk == FileRow.revision_pk)
        .join(ModelRow, ModelRow.pk == RevisionRow.model_pk)
        .where(FileRow.digest == digest)
        .limit(limit)
    )
    told = [f"{path} of {name}@{revision}" for name, revision, path in files]
    pictures = db.scalars(select(PictureRow.path).where(PictureRow.digest == digest).limit(limit))
    return (told + [f"picture {path}" for path in pictures])[:limit]


def list_all_revisions(db: Session) -> Iterator[Revision]:
    """Go through every revision of every model."""
    for row in db.scalars(select(RevisionRow).order_by(RevisionRow.pk)):
        yield as_revision(row)


def _held_by_jobs(db: Session) -> set[str]:
    """Find the digests that unfinished jobs were told of, of answers and of logs."""
    params = db.scalars(
        select(JobRow.params).where(
            JobRow.state.in_([state for state in JobState if not state.is_final])
        )
    )
    answers = db.scalars(
        select(JobRow.result).where(
            JobRow.kind.in_([kind for kind in JobKind if kind.gives_files]),
            JobRow.state == JobState.SUCCEEDED,
        )
    )
    logs = db.scalars(select(AttemptRow.log_digest).where(AttemptRow.log_digest.is_not(None)))
    told = [*params, *answers, *logs]
    return {text for one in told for text in _texts(one) if len(text) == DIGEST}


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
