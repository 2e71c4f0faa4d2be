"""Bytes that were sent for a model: who may name them, and what a sweep must leave."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from zoo.catalog.models import BATCH, is_visible_to
from zoo.catalog.tables import FileRow, ModelRow, RevisionRow, UploadRow
from zoo.domain.access import Caller
from zoo.domain.revision import Blob


def add_upload(db: Session, caller: Caller, model: str, blob: Blob, *, now: datetime) -> None:
    """Write down that a caller has sent these bytes for a model."""
    row = db.get(UploadRow, (model, blob.digest))
    if row is None:
        row = UploadRow(model=model, digest=blob.digest, size_bytes=blob.size_bytes)
        db.add(row)
    row.account, row.at = caller.account, now
    db.flush()


def find_proven(
    db: Session, caller: Caller, model: str, digests: Collection[str]
) -> dict[str, Blob]:
    """Give those of the digests whose bytes a caller has sent for a model, or may read anywhere.

    The digest of somebody's private file is no proof of having it: whoever could name it in a
    revision of their own would read it there.
    """
    asked, found = sorted(set(digests)), {}
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        sent = select(UploadRow.digest, UploadRow.size_bytes).where(
            UploadRow.model == model,
            UploadRow.account == caller.account,
            UploadRow.digest.in_(part),
        )
        seen = (
            select(FileRow.digest, FileRow.size_bytes)
            .join(RevisionRow, RevisionRow.pk == FileRow.revision_pk)
            .join(ModelRow, ModelRow.pk == RevisionRow.model_pk)
            .where(FileRow.digest.in_(part), is_visible_to(caller))
            .distinct()
        )
        for wanted in (sent, seen):
            for digest, size_bytes in db.execute(wanted):
                found[digest] = Blob(digest=digest, size_bytes=size_bytes)
    return found
