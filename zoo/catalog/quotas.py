"""What owners may have and have: their models, and the bytes these and open uploads refer to."""

from collections.abc import Collection

from sqlalchemy import CompoundSelect, func, select, union
from sqlalchemy.orm import Session

from zoo.catalog.models import BATCH, is_owned_by
from zoo.catalog.tables import FileRow, ModelRow, QuotaRow, RevisionRow, UploadRow
from zoo.domain.access import owner_of
from zoo.domain.quota import Quota, Usage
from zoo.domain.revision import Blob


def find_quota(db: Session, owner: str) -> Quota | None:
    """Give what was set for an owner, or None where nothing was."""
    row = db.get(QuotaRow, owner)
    return _quota(row) if row else None


def set_quota(db: Session, owner: str, quota: Quota | None) -> None:
    """Set what an owner may have, or forget what was set."""
    row = db.get(QuotaRow, owner)
    if row is not None:
        db.delete(row)
        db.flush()
    if quota is not None:
        db.add(
            QuotaRow(
                owner=owner,
                most_bytes=quota.most_bytes,
                most_models=quota.most_models,
                most_revisions=quota.most_revisions,
            )
        )
    db.flush()


def list_owners(db: Session) -> list[str]:
    """List the owners that have models or a quota, by name."""
    names = db.scalars(select(ModelRow.name))
    return sorted({owner_of(name) for name in names} | set(db.scalars(select(QuotaRow.owner))))


def measure(db: Session, owner: str, quota: Quota) -> Usage:
    """Measure what an owner has; deleted models count until they are swept, sent bytes too."""
    models, revisions = count(db, owner)
    held = _held(owner).subquery()
    size_bytes = db.scalar(select(func.coalesce(func.sum(held.c.size_bytes), 0))) or 0
    return Usage(
        owner=owner,
        size_bytes=int(size_bytes),
        models=models,
        revisions=revisions,
        quota=quota,
    )


def count(db: Session, owner: str) -> tuple[int, int]:
    """Count an owner's models and revisions; deleted models count until they are swept."""
    models = select(func.count()).select_from(ModelRow).where(is_owned_by(ModelRow.name, owner))
    revisions = (
        select(func.count())
        .select_from(RevisionRow)
        .join(ModelRow)
        .where(is_owned_by(ModelRow.name, owner))
    )
    return db.scalar(models) or 0, db.scalar(revisions) or 0


def measure_new(db: Session, owner: str, blobs: Collection[Blob]) -> int:
    """Measure how many bytes an owner would have more with some blobs."""
    sizes = {blob.digest: blob.size_bytes for blob in blobs}
    held = _held(owner).subquery()
    asked, known = sorted(sizes), set()
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        known |= set(db.scalars(select(held.c.digest).where(held.c.digest.in_(part))))
    return sum(size for digest, size in sizes.items() if digest not in known)


def _held(owner: str) -> CompoundSelect[tuple[str, int]]:
    """Select digests and sizes of what an owner's models and uploads refer to, each once."""
    files = (
        select(FileRow.digest, FileRow.size_bytes)
        .join(RevisionRow, RevisionRow.pk == FileRow.revision_pk)
        .join(ModelRow, ModelRow.pk == RevisionRow.model_pk)
        .where(is_owned_by(ModelRow.name, owner))
    )
    sent = select(UploadRow.digest, UploadRow.size_bytes).where(is_owned_by(UploadRow.model, owner))
    return union(files, sent)


def _quota(row: QuotaRow) -> Quota:
    return Quota(
        most_bytes=row.most_bytes,
        most_models=row.most_models,
        most_revisions=row.most_revisions,
    )
