"""Datasets: rows in, domain values out."""

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from zoo.catalog.publishing import add_blobs
from zoo.catalog.rows import by_code_points
from zoo.catalog.tables import DatasetRow, PictureRow
from zoo.domain.dataset import (
    Dataset,
    DatasetDescription,
    DatasetSummary,
    Picture,
    PictureWish,
    Skipped,
)
from zoo.domain.revision import COMMIT, Blob, check_model_name
from zoo.errors import DatasetNotFound


def add_dataset(db: Session, dataset: Dataset, *, now: datetime) -> Dataset:
    """Add a dataset; the same pictures under the same name again are the same dataset.

    Raises:
        BadName: a dataset cannot be called so.
    """
    check_model_name(dataset.name)
    row = _find_row(db, dataset.name, dataset.id)
    if row is None:
        blobs = (Blob(digest=p.digest, size_bytes=p.size_bytes) for p in dataset.pictures)
        add_blobs(db, blobs, now=now)
        row = _add_row(db, dataset, now)
    return _dataset(row)


def get_dataset(db: Session, address: str) -> Dataset:
    """Give the newest dataset of a name, or the one at ``name@id``.

    Raises:
        BadName: no dataset can be called so.
        DatasetNotFound: there is none.
    """
    return _dataset(_get_row(db, address))


def get_description(db: Session, address: str) -> DatasetDescription:
    """Give a dataset as ``get_dataset`` does, without its pictures."""
    row = _get_row(db, address)
    return DatasetDescription(
        name=row.name,
        id=row.id,
        classes=tuple(row.classes),
        counts=row.counts,
        skipped=_skipped(row),
        split_source=row.split_source,
    )


def list_pictures(db: Session, address: str, wish: PictureWish, *, limit: int) -> list[Picture]:
    """List so many pictures of a dataset, in its order, beginning at a place."""
    wanted = select(PictureRow).where(
        PictureRow.dataset_pk == _get_row(db, address).pk, PictureRow.position >= wish.first
    )
    if wish.label is not None:
        wanted = wanted.where(PictureRow.label == wish.label)
    if wish.split is not None:
        wanted = wanted.where(PictureRow.split == wish.split)
    return [_picture(row) for row in db.scalars(wanted.order_by(PictureRow.position).limit(limit))]


def find_picture(db: Session, address: str, digest: str) -> Picture | None:
    """Find a picture of a dataset by its bytes."""
    wanted = select(PictureRow).where(
        PictureRow.dataset_pk == _get_row(db, address).pk, PictureRow.digest == digest
    )
    row = db.scalars(wanted.limit(1)).first()
    return _picture(row) if row else None


def get_dataset_pk(db: Session, address: str) -> int:
    """Give a dataset's row key, for lineage."""
    return _get_row(db, address).pk


def list_datasets(
    db: Session, *, after: str = "", limit: int | None = None
) -> list[DatasetSummary]:
    """List datasets by name, the newest of a name first: all, or those after a name or address.

    Raises:
        DatasetNotFound: there is none at the address ``after``.
    """
    wanted = select(DatasetRow)
    name, _, identity = after.partition("@")
    order = by_code_points(db, DatasetRow.name)
    is_later = order > name
    if identity:
        pk = get_dataset_pk(db, after)
        is_later = or_(is_later, and_(DatasetRow.name == name, DatasetRow.pk < pk))
    if after:
        wanted = wanted.where(is_later)
    rows = db.scalars(wanted.order_by(order, DatasetRow.pk.desc()).limit(limit))
    return [
        DatasetSummary(
            name=row.name,
            id=row.id,
            classes=tuple(row.classes),
            counts=row.counts,
            skipped=len(row.skipped),
            created_at=row.created_at,
        )
        for row in rows
    ]


def _add_row(db: Session, dataset: Dataset, now: datetime) -> DatasetRow:
    row = DatasetRow(
        name=dataset.name,
        id=dataset.id,
        classes=list(dataset.classes),
        skipped=[[skipped.path, skipped.reason] for skipped in dataset.skipped],
        counts=dataset.counts(),
        split_source=dataset.split_source,
        created_at=now,
        pictures=[
            PictureRow(
                position=position,
                path=picture.path,
                label=picture.label,
                split=picture.split,
                digest=picture.digest,
                size_bytes=picture.size_bytes,
            )
            for position, picture in enumerate(dataset.pictures)
        ],
    )
    db.add(row)
    db.flush()
    return row


def _get_row(db: Session, address: str) -> DatasetRow:
    name, _, identity = address.partition("@")
    can_be = not identity or COMMIT.fullmatch(identity)
    row = _find_row(db, check_model_name(name), identity) if can_be else None
    if row is None:
        raise DatasetNotFound(f"There is no dataset {address!r}.", name=address)
    return row


def _find_row(db: Session, name: str, identity: str) -> DatasetRow | None:
    wanted = select(DatasetRow).where(DatasetRow.name == name).order_by(DatasetRow.pk.desc())
    if identity:
        wanted = wanted.where(DatasetRow.id == identity)
    return db.scalars(wanted.limit(1)).first()


def _dataset(row: DatasetRow) -> Dataset:
    return Dataset(
        name=row.name,
        classes=tuple(row.classes),
        pictures=tuple(map(_picture, row.pictures)),
        skipped=_skipped(row),
        split_source=row.split_source,
        created_at=row.created_at,
    )


def _picture(row: PictureRow) -> Picture:
    return Picture(
        path=row.path,
        label=row.label,
        split=row.split,
        digest=row.digest,
        size_bytes=row.size_bytes,
    )


def _skipped(row: DatasetRow) -> tuple[Skipped, ...]:
    return tuple(Skipped(path=path, reason=reason) for path, reason in row.skipped)
