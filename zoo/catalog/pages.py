"""Many models or revisions at once: few statements, made once, and no rows kept.

A page of 100 costs a fourth of what it does by way of mapped rows, which is most of a search.
Making a statement anew costs as much as running it, so those here are made when the module is.
"""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import BindParameter, FromClause, and_, bindparam, select
from sqlalchemy.orm import Session

from zoo.catalog.tables import DatasetRow, FileRow, ModelRow, RefRow, RevisionRow
from zoo.domain.access import EVERY_OWNER, Caller, Role
from zoo.domain.revision import MAIN, File, Model, Revision

_models, _revisions = ModelRow.__table__, RevisionRow.__table__
_refs, _files, _datasets = RefRow.__table__, FileRow.__table__, DatasetRow.__table__
_previous, _parents = _revisions.alias("previous"), _revisions.alias("parent")
_parent_models = _models.alias("parent_model")
_PKS: BindParameter[Any] = bindparam("pks", expanding=True)

# What a revision is told with, in the order of ``_as_revision``.
_TOLD = (
    _revisions.c.pk,
    _revisions.c.id,
    _revisions.c.message,
    _revisions.c.created_at,
    _revisions.c.job_id,
    _revisions.c.summary,
    _previous.c.id,
    _parents.c.id,
    _parent_models.c.name,
    _parent_models.c.is_private,
    _datasets.c.id,
    _datasets.c.name,
)


def _with_lineage(source: FromClause) -> FromClause:
    """Join what a revision came of to where it stands."""
    return (
        source.outerjoin(_previous, _previous.c.pk == _revisions.c.previous_pk)
        .outerjoin(_parents, _parents.c.pk == _revisions.c.parent_pk)
        .outerjoin(_parent_models, _parent_models.c.pk == _parents.c.model_pk)
        .outerjoin(_datasets, _datasets.c.pk == _revisions.c.dataset_pk)
    )


_MODELS = (
    select(_models.c.pk, _models.c.name, _models.c.created_at, _models.c.is_private, *_TOLD)
    .select_from(
        _with_lineage(
            _models.outerjoin(
                _refs, and_(_refs.c.model_pk == _models.c.pk, _refs.c.name == MAIN)
            ).outerjoin(_revisions, _revisions.c.pk == _refs.c.revision_pk)
        )
    )
    .where(_models.c.pk.in_(_PKS))
)
_OTHER_REFS = (
    select(_refs.c.model_pk, _refs.c.name, _revisions.c.id)
    .join(_revisions, _revisions.c.pk == _refs.c.revision_pk)
    .where(_refs.c.model_pk.in_(_PKS), _refs.c.name != MAIN)
)
_REVISIONS = (
    select(_models.c.name, *_TOLD)
    .select_from(_with_lineage(_revisions.join(_models, _models.c.pk == _revisions.c.model_pk)))
    .where(_revisions.c.pk.in_(_PKS))
)
_FILES = (
    select(_files.c.revision_pk, _files.c.path, _files.c.digest, _files.c.size_bytes)
    .where(_files.c.revision_pk.in_(_PKS))
    .order_by(_files.c.revision_pk, _files.c.path)
)

Lists = defaultdict[int, list[Any]]


def load_models(db: Session, pks: Collection[int], *, caller: Caller) -> list[Model]:
    """Give the models of some row keys, by name; those that are not there are left out.

    Of their lineage is told what the caller may know of.
    """
    if not pks:
        return []
    rows = db.execute(_MODELS, {"pks": pks}).all()
    refs = _load_other_refs(db, pks)
    files = _load_files(db, [row[4] for row in rows if row[4] is not None])
    is_told = _knows(caller)
    found = []
    for pk, name, created_at, is_private, *told in rows:
        head = None if told[0] is None else _as_revision(name, told, files, is_told)
        known = refs[pk] if head is None else [(MAIN, head.id), *refs[pk]]
        found.append(
            Model(
                name=name,
                created_at=created_at,
                head=head,
                refs=dict(sorted(known)),
                is_private=is_private,
            )
        )
    return sorted(found, key=lambda model: model.name)


def load_revisions(db: Session, pks: Collection[int], *, caller: Caller) -> list[Revision]:
    """Give the revisions of some row keys, the newest first, with the lineage a caller may know."""
    if not pks:
        return []
    rows = db.execute(_REVISIONS, {"pks": pks}).all()
    files = _load_files(db, pks)
    is_told = _knows(caller)
    return [
        _as_revision(name, told, files, is_told)
        for name, *told in sorted(rows, key=lambda row: -row[1])
    ]


def _load_other_refs(db: Session, pks: Collection[int]) -> Lists:
    """Give the refs of models beside main, each with the id of its revision."""
    found: Lists = defaultdict(list)
    for model_pk, name, identity in db.execute(_OTHER_REFS, {"pks": pks}).all():
        found[model_pk].append((name, identity))
    return found


def _load_files(db: Session, pks: Collection[int]) -> Lists:
    """Give the files of revisions by the row keys of those, in the order of their paths."""
    found: Lists = defaultdict(list)
    if pks:
        for pk, path, digest, size_bytes in db.execute(_FILES, {"pks": pks}).all():
            found[pk].append(File(path=path, digest=digest, size_bytes=size_bytes))
    return found


def _knows(caller: Caller) -> Callable[[str, bool], bool]:
    """Tell, of a model's name and whether it is private, whether a caller may know of it."""
    sees_all = caller.may_for(Role.READ, EVERY_OWNER)
    return lambda name, is_private: sees_all or not is_private or caller.may(Role.READ, name)


def _as_revision(
    model: str, told: list[Any], files: Lists, is_told: Callable[[str, bool], bool]
) -> Revision:
    """Write what a statement told of a revision down as the domain's value."""
    pk, identity, message, created_at, job, summary, previous, *lineage = told
    parent, parent_model, is_private, dataset, dataset_name = lineage
    has_parent = parent is not None and is_told(parent_model, is_private)
    return Revision(
        model=model,
        id=identity,
        files=tuple(files[pk]),
        message=message,
        created_at=created_at,
        previous=previous,
        parent=f"{parent_model}@{parent}" if has_parent else None,
        dataset=f"{dataset_name}@{dataset}" if dataset else None,
        job=job,
        summary=summary,
    )
