"""Counting: downloads by file and day, and what the catalog holds."""

from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from zoo.catalog.models import is_visible_to, wished
from zoo.catalog.pages import load_models
from zoo.catalog.rows import by_code_points, find_model_row, get_model_row
from zoo.catalog.tables import (
    BlobRow,
    DatasetRow,
    DownloadRow,
    JobRow,
    ModelRow,
    RevisionRow,
)
from zoo.domain.access import Caller
from zoo.domain.revision import Model
from zoo.domain.search import ModelWish
from zoo.domain.statistics import Download, ModelStatistics, Totals


def add_downloads(db: Session, counts: Mapping[Download, int]) -> None:
    """Add downloads to what was counted; those of a model that is gone are dropped."""
    for one, count in counts.items():
        model = find_model_row(db, one.model)
        if model is None:
            continue
        revision_pk = db.scalar(
            select(RevisionRow.pk).where(
                RevisionRow.model_pk == model.pk, RevisionRow.id == one.revision
            )
        )
        if revision_pk is None:
            continue
        row = db.get(DownloadRow, (revision_pk, one.path, one.day))
        if row is None:
            row = DownloadRow(
                revision_pk=revision_pk, path=one.path, day=one.day, model_pk=model.pk, count=0
            )
            db.add(row)
        row.count += count
    db.flush()


def count_downloads(db: Session, names: Collection[str], *, since: date) -> dict[str, int]:
    """Count the downloads of models since a day; those without any are left out."""
    wanted = (
        select(ModelRow.name, func.sum(DownloadRow.count))
        .join(DownloadRow, DownloadRow.model_pk == ModelRow.pk)
        .where(ModelRow.name.in_(names), DownloadRow.day >= since)
        .group_by(ModelRow.name)
    )
    return {name: int(count) for name, count in db.execute(wanted)}


def list_popular(  # noqa: PLR0913  # a page of an order
    db: Session,
    *,
    caller: Caller,
    since: date,
    after: tuple[int, str] | None = None,
    limit: int = 100,
    wish: ModelWish,
) -> list[tuple[Model, int]]:
    """List models with their downloads since a day: the most first, then by name."""
    counted = (
        select(DownloadRow.model_pk, func.sum(DownloadRow.count).label("count"))
        .where(DownloadRow.day >= since)
        .group_by(DownloadRow.model_pk)
        .subquery()
    )
    count = func.coalesce(counted.c.count, 0)
    order = by_code_points(db, ModelRow.name)
    wanted = (
        select(ModelRow.pk, ModelRow.name, count)
        .outerjoin(counted, counted.c.model_pk == ModelRow.pk)
        .where(is_visible_to(caller), *wished(wish))
        .order_by(count.desc(), order)
        .limit(limit)
    )
    if after is not None:
        most, name = after
        wanted = wanted.where((count < most) | ((count == most) & (order > name)))
    rows = db.execute(wanted).all()
    pks = [row.pk for row in rows]
    models = {model.name: model for model in load_models(db, pks, caller=caller)}
    return [(models[name], int(downloads)) for _, name, downloads in rows]


def get_model_statistics(db: Session, name: str, *, since: date) -> ModelStatistics:
    """Count the downloads of a model by revision, by file and, since a day, by day.

    Raises:
        ModelNotFound: there is none.
    """
    model = get_model_row(db, name)
    own, total = DownloadRow.model_pk == model.pk, func.sum(DownloadRow.count)
    revisions = (
        select(RevisionRow.id, total)
        .join(DownloadRow, DownloadRow.revision_pk == RevisionRow.pk)
        .where(own)
        .group_by(RevisionRow.id)
    )
    files = select(DownloadRow.path, total).where(own).group_by(DownloadRow.path)
    days = (
        select(DownloadRow.day, total)
        .where(own, DownloadRow.day >= since)
        .group_by(DownloadRow.day)
        .order_by(DownloadRow.day)
    )
    by_revision = {revision: int(count) for revision, count in db.execute(revisions)}
    by_day = {day: int(count) for day, count in db.execute(days)}
    return ModelStatistics(
        model=model.name,
        downloads=sum(by_revision.values()),
        recent_downloads=sum(by_day.values()),
        by_revision=by_revision,
        by_file={path: int(count) for path, count in db.execute(files.order_by(total.desc()))},
        by_day=by_day,
    )


def get_totals(db: Session) -> Totals:
    """Count what the catalog holds; deleted models count until they are swept."""
    blobs, size_bytes = db.execute(
        select(func.count(), func.coalesce(func.sum(BlobRow.size_bytes), 0)).select_from(BlobRow)
    ).one()
    jobs = db.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all()
    return Totals(
        models=_count(db, ModelRow),
        revisions=_count(db, RevisionRow),
        datasets=_count(db, DatasetRow),
        blobs=blobs,
        size_bytes=int(size_bytes),
        jobs={state.value: count for state, count in jobs},
        downloads=int(db.scalar(select(func.coalesce(func.sum(DownloadRow.count), 0))) or 0),
    )


def _count(db: Session, table: type[ModelRow] | type[RevisionRow] | type[DatasetRow]) -> int:
    return db.scalar(select(func.count()).select_from(table)) or 0
