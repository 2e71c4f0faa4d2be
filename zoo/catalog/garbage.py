"""What nothing refers to: deleted models past their time, blobs without a reference."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, exists, func, or_, select, union, update
from sqlalchemy.orm import Session

from zoo.catalog.job_rows import UNFINISHED
from zoo.catalog.pages import load_revisions
from zoo.catalog.rows import note_change
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
from zoo.domain.access import LOCAL
from zoo.domain.job import JobKind, JobState
from zoo.domain.revision import Blob, Revision

BATCH = 500  # digests in one statement
DIGEST = 64  # letters of one


def list_expired(db: Session, *, before: datetime) -> list[str]:
    """List the models that were deleted before a time."""
    wanted = select(ModelRow.name).where(ModelRow.deleted_at < before).order_by(ModelRow.name)
    return list(db.scalars(wanted))


def purge_model(db: Session, name: str, *, before: datetime) -> bool:
    """Forget a model that was deleted before a time, with its revisions, refs and history.

    The name is free again. Tells whether it was forgotten: one that is back stays.
    """
    row = db.scalar(select(ModelRow).where(ModelRow.name == name, ModelRow.deleted_at < before))
    if row is None:
        return False
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
    return True


def purge_uploads(db: Session, *, before: datetime) -> None:
    """Forget who sent bytes before a time; what came of them is in revisions."""
    db.execute(delete(UploadRow).where(UploadRow.at < before))


class JobsHold:
    """The digests that jobs hold; what a job was told is read once, however often it is asked."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, JobState], set[str]] = {}

    def find(self, db: Session, digests: Collection[str]) -> set[str]:
        """Find those of some digests that jobs which are not finished were told of, or answers."""
        is_open = JobRow.state.in_(UNFINISHED)
        is_answer = and_(
            JobRow.kind.in_([kind for kind in JobKind if kind.gives_files]),
            JobRow.state == JobState.SUCCEEDED,
        )
        now = {
            (job, state)
            for job, state in db.execute(
                select(JobRow.id, JobRow.state).where(or_(is_open, is_answer))
            )
        }
        self._told = {key: told for key, told in self._told.items() if key in now}
        fresh = sorted({job for job, _ in now - self._told.keys()})
        for start in range(0, len(fresh), BATCH):
            rows = db.execute(
                select(JobRow.id, JobRow.state, JobRow.params, JobRow.result).where(
                    JobRow.id.in_(fresh[start : start + BATCH])
                )
            )
            for job, state, params, result in rows:
                told = result if state is JobState.SUCCEEDED else params
                self._told[job, state] = {text for text in texts_of(told) if len(text) == DIGEST}
        wanted = set(digests)
        return {digest for told in self._told.values() for digest in told & wanted}


def find_unreferenced(
    db: Session, digests: Collection[str], *, sent_since: datetime, jobs: JobsHold
) -> set[str]:
    """Find those of some digests that no file, picture, job or recent upload refers to."""
    rest = set(digests) - find_referenced(db, digests, sent_since=sent_since)
    return rest - jobs.find(db, rest) if rest else rest


def find_referenced(db: Session, digests: Collection[str], *, sent_since: datetime) -> set[str]:
    """Find those of some digests that a file, a picture, a log or a recent upload is."""
    wanted = list(digests)
    held: set[str] = set()
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        held |= set(
            db.scalars(
                union(
                    select(FileRow.digest).where(FileRow.digest.in_(part)),
                    select(PictureRow.digest).where(PictureRow.digest.in_(part)),
                    select(AttemptRow.log_digest).where(AttemptRow.log_digest.in_(part)),
                    select(UploadRow.digest).where(
                        UploadRow.digest.in_(part), UploadRow.at >= sent_since
                    ),
                )
            )
        )
    return held


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
    """Go through every revision of every model, of which a few are in memory at a time."""
    after = 0
    while pks := list(
        db.scalars(
            select(RevisionRow.pk)
            .where(RevisionRow.pk > after)
            .order_by(RevisionRow.pk)
            .limit(BATCH)
        )
    ):
        yield from load_revisions(db, pks, caller=LOCAL)
        after = pks[-1]


def texts_of(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    """Go through all texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)
