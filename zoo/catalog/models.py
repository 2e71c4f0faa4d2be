"""Models, revisions and refs: rows in, domain values out."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    collate,
    false,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import Session

from zoo.catalog.index import ModelIndex
from zoo.catalog.pages import load_models, load_revisions
from zoo.catalog.rows import (
    as_revision,
    find_model_row,
    get_model_row,
    get_revision_row,
    note_change,
    point_ref,
)
from zoo.catalog.tables import BlobRow, FileRow, ModelRow, RefRow, RenameRow, RevisionRow
from zoo.domain.access import EVERY_OWNER, LOCAL, Caller
from zoo.domain.revision import (
    MAIN,
    Blob,
    File,
    Model,
    Revision,
    check_file_path,
    check_model_name,
    check_ref_name,
    revision_id,
)
from zoo.domain.search import Found, ModelWish, Traits
from zoo.errors import BadName, ModelExists, RefMoved

MOST_NAMES = 500  # that are looked through for one that may have been meant
LIKENESS = 3  # letters that a name begins with, where there are more
BATCH = 5000  # values in one statement; databases bound them


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a revision was made from, as row keys."""

    parent_pk: int | None = None
    dataset_pk: int | None = None
    job_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A revision to be: its files are already in the store."""

    model: str
    files: Mapping[str, Blob]
    message: str
    summary: dict[str, Any] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)
    lineage: Lineage = field(default_factory=Lineage)
    ref: str = MAIN
    is_private: bool = False  # the model, where this makes it
    is_first: bool = False  # it makes the model, so there must be none
    on_top_of: str | None = None  # the revision that the ref must point to still


def add_revision(db: Session, new: NewRevision, *, now: datetime) -> Revision:
    """Add a revision and point its ref to it; the same files again are the same revision.

    Raises:
        BadName: the model, the ref or a file cannot be called so.
        ModelExists: it was to be the first of its model, or the model was deleted.
        RefMoved: the ref points to another revision than the one this is on top of.
    """
    model = _get_or_add_model(db, new, now)
    _check_on_top(db, model, new)
    row = db.scalar(
        select(RevisionRow).where(
            RevisionRow.model_pk == model.pk, RevisionRow.id == revision_id(_files(new))
        )
    )
    if row is None:
        add_blobs(db, new.files.values(), now=now)
        row = _add_row(db, model, new, now)
    point_ref(db, model, check_ref_name(new.ref), row, now=now)
    return as_revision(row)


def add_blobs(db: Session, blobs: Iterable[Blob], *, now: datetime) -> None:
    """Write down that these bytes are referred to, once each."""
    wanted = sorted({blob.digest: blob.size_bytes for blob in blobs}.items())
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        known = select(BlobRow.digest).where(BlobRow.digest.in_([digest for digest, _ in part]))
        missing = dict(part).keys() - set(db.scalars(known))
        db.add_all(
            BlobRow(digest=digest, size_bytes=size_bytes, created_at=now)
            for digest, size_bytes in part
            if digest in missing
        )
    db.flush()


def get_model(db: Session, name: str, *, caller: Caller = LOCAL) -> Model:
    """Give a model with its refs, and the lineage that a caller may know of.

    Raises:
        ModelNotFound: there is none; near names are in the hint.
    """
    (found,) = load_models(db, [get_model_row(db, name).pk], caller=caller)
    return found


def list_models(db: Session, *, caller: Caller, after: str = "", limit: int = 100) -> list[Model]:
    """List the models that a caller may see, by name, from the one after ``after`` on."""
    wanted = (
        select(ModelRow.pk)
        .where(ModelRow.name > after, is_visible_to(caller))
        .order_by(ModelRow.name)
        .limit(limit)
    )
    return load_models(db, list(db.scalars(wanted)), caller=caller)


def search_models(  # noqa: PLR0913  # a page of a search
    db: Session,
    index: ModelIndex,
    wish: ModelWish,
    *,
    caller: Caller,
    after: str = "",
    limit: int = 100,
    most_values: int = 0,
) -> Found:
    """Search the models that a caller may see; with ``most_values``, count what they have.

    Until the index is made, rows are looked through for what the name tells: that takes less time
    than making it, and whoever makes it is not waited for.
    """
    if not (index.is_made or most_values or wish.is_by_traits):
        return _search_rows(db, wish, caller=caller, after=after, limit=limit)
    # Only searches take NumPy, for which all that opens a catalog would have to wait.
    from zoo.catalog.searching import count_facets, find, take_page  # noqa: PLC0415

    snapshot = index.at(db)
    found = find(snapshot, wish, caller)
    page = take_page(snapshot, found, after=after, limit=limit)
    return Found(
        models=tuple(load_models(db, page.pks, caller=caller)),
        next=page.next,
        total=page.total,
        facets=count_facets(snapshot, found, most=most_values) if most_values else (),
    )


def _search_rows(db: Session, wish: ModelWish, *, caller: Caller, after: str, limit: int) -> Found:
    """Search by name and owner alone, in the rows; pages are those that the index gives."""
    wanted = (is_visible_to(caller), *wished(wish))
    # By code points, as the index sorts names, whatever language the database was made for.
    is_postgresql = db.get_bind().dialect.name == "postgresql"
    name = collate(ModelRow.name, "C") if is_postgresql else ModelRow.name
    rows = db.execute(
        select(ModelRow.pk, ModelRow.name)
        .where(*wanted, name > after)
        .order_by(name)
        .limit(limit + 1)
    ).all()
    return Found(
        models=tuple(load_models(db, [row.pk for row in rows[:limit]], caller=caller)),
        next=rows[limit - 1].name if len(rows) > limit else None,
        total=db.scalar(select(func.count()).select_from(ModelRow).where(*wanted)) or 0,
    )


def list_names(db: Session, *, caller: Caller, like: str = "") -> list[str]:
    """List names of models that a caller may see: all, or of many those that begin like one."""
    wanted = select(ModelRow.name).where(is_visible_to(caller)).order_by(ModelRow.name)
    names = list(db.scalars(wanted.limit(MOST_NAMES)))
    if like and len(names) == MOST_NAMES:
        begins = ModelRow.name.startswith(like[:LIKENESS], autoescape=True)
        names = list(db.scalars(wanted.where(begins).limit(MOST_NAMES)))
    return names


def wished(wish: ModelWish) -> list[ColumnElement[bool]]:
    """Give the conditions under which a model is one that is wanted."""
    found: list[ColumnElement[bool]] = []
    search = wish.search.lower()
    if search and not (search.isascii() and search.isprintable()):
        found.append(false())  # No name holds such letters, and not every database takes them.
    elif search:
        found.append(func.lower(ModelRow.name).contains(search, autoescape=True))
    if wish.owner is not None:
        found.append(_is_owned_by(wish.owner))
    return found


def is_private(db: Session, name: str) -> bool:
    """Tell whether a model is there only for those who have a role for its owner."""
    row = find_model_row(db, name)
    return row is not None and row.is_private


def find_name(db: Session, name: str) -> str | None:
    """Give the name that a model has by now, which may have been renamed; None without one."""
    row = find_model_row(db, name)
    return row.name if row else None


def get_revision(db: Session, name: str, ref: str = MAIN) -> Revision:
    """Give the revision that a ref, a revision id or the beginning of one means.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no such ref or revision.
    """
    return as_revision(get_revision_row(db, name, ref))


# Made once: a gallery asks for dozens of faces, and composing the question costs more than it does.
_PRIVACY = (
    select(ModelRow.is_private)
    .join(RevisionRow, RevisionRow.model_pk == ModelRow.pk)
    .where(
        ModelRow.name == bindparam("name"),
        ModelRow.deleted_at.is_(None),
        RevisionRow.id == bindparam("revision"),
    )
)


def find_privacy(db: Session, name: str, revision: str) -> bool | None:
    """Tell whether the model is private that is called so and has a revision; None: none is."""
    return db.scalar(_PRIVACY, {"name": name, "revision": revision})


def list_blobs(db: Session, name: str) -> list[Blob]:
    """List the bytes that the revisions of a model refer to, each once."""
    wanted = (
        select(FileRow.digest, FileRow.size_bytes)
        .join(RevisionRow, RevisionRow.pk == FileRow.revision_pk)
        .where(RevisionRow.model_pk == get_model_row(db, name).pk)
        .distinct()
    )
    return [Blob(digest=digest, size_bytes=size) for digest, size in db.execute(wanted)]


def get_revision_pk(db: Session, name: str, ref: str) -> int:
    """Give a revision's row key, for lineage."""
    return get_revision_row(db, name, ref).pk


def list_revisions(
    db: Session,
    name: str,
    *,
    caller: Caller = LOCAL,
    after: str = "",
    limit: int | None = None,
) -> list[Revision]:
    """List the revisions of a model, the newest first, or those that are older than one.

    Raises:
        ModelNotFound: there is no such model.
        RevisionNotFound: it has no revision of the id ``after``.
    """
    model = get_model_row(db, name)
    wanted = select(RevisionRow.pk).where(RevisionRow.model_pk == model.pk)
    if after:
        wanted = wanted.where(RevisionRow.pk < get_revision_row(db, name, after).pk)
    pks = list(db.scalars(wanted.order_by(RevisionRow.pk.desc()).limit(limit)))
    return [
        revision
        for start in range(0, len(pks), BATCH)
        for revision in load_revisions(db, pks[start : start + BATCH], caller=caller)
    ]


def _files(new: NewRevision) -> list[File]:
    """Give a revision's files by path, of which no two look alike."""
    alike: dict[str, str] = {}
    for path in new.files:
        twin = alike.setdefault(unicodedata.normalize("NFC", path), path)
        if twin != path:
            raise BadName(
                f"Two files are called {path!a} and {twin!a}, which look alike.",
                hint="Call them otherwise; file systems may take them for one.",
                paths=[path, twin],
            )
        end = path.find("/")
        while end >= 0:
            if path[:end] in new.files:
                raise BadName(
                    f"{path[:end]!a} is a file, and {path!a} would lie in it.",
                    hint="Call one of them otherwise; no file system holds both.",
                    paths=[path[:end], path],
                )
            end = path.find("/", end + 1)
    return [
        File(path=check_file_path(path), digest=blob.digest, size_bytes=blob.size_bytes)
        for path, blob in sorted(new.files.items())
    ]


def _get_or_add_model(db: Session, new: NewRevision, now: datetime) -> ModelRow:
    name = check_model_name(new.model)
    row = db.scalar(select(ModelRow).where(ModelRow.name == name))
    if row is not None and row.deleted_at is not None:
        raise ModelExists(
            f"The model {name!r} was deleted and is not swept yet.",
            hint=f"Take it back with `zoo restore {name}`, or choose another name.",
            name=name,
        )
    if row is not None and new.is_first:
        raise ModelExists(f"There is a model {name!r} already.", name=name)
    if row is None:
        _check_alike(db, name)
        renamed = db.get(RenameRow, name)
        if renamed is not None:
            db.delete(renamed)  # The name is given away again.
        row = ModelRow(name=name, is_private=new.is_private, created_at=now)
        db.add(row)
        db.flush()
        note_change(db, row.pk)
    return row


def _check_alike(db: Session, name: str) -> None:
    """Refuse a new name that differs from another in small and capital letters alone."""
    twin = db.scalar(
        select(ModelRow.name).where(func.lower(ModelRow.name) == name.lower()).limit(1)
    )
    if twin is not None:
        raise ModelExists(f"There is a model {twin!r} already.", name=name)


def _check_on_top(db: Session, model: ModelRow, new: NewRevision) -> None:
    """Refuse a revision whose ref has moved on meanwhile."""
    if new.on_top_of is None:
        return
    head = db.get(RefRow, (model.pk, new.ref))
    if head is None or head.revision.id != new.on_top_of:
        found = head.revision.id if head else None
        raise RefMoved(
            f"{new.ref!r} of {model.name!r} points to {found} by now, not to {new.on_top_of}.",
            ref=new.ref,
            expected=new.on_top_of,
            found=found,
        )


def _add_row(db: Session, model: ModelRow, new: NewRevision, now: datetime) -> RevisionRow:
    files = _files(new)
    head = db.get(RefRow, (model.pk, new.ref))
    row = RevisionRow(
        model=model,
        id=revision_id(files),
        message=new.message,
        created_at=now,
        previous_pk=head.revision_pk if head else None,
        parent_pk=new.lineage.parent_pk,
        dataset_pk=new.lineage.dataset_pk,
        job_id=new.lineage.job_id,
        size_bytes=sum(file.size_bytes for file in files),
        summary=new.summary,
        traits=new.traits.as_json(),
        files=[
            FileRow(path=file.path, digest=file.digest, size_bytes=file.size_bytes)
            for file in files
        ],
    )
    db.add(row)
    db.flush()
    return row


def is_visible_to(caller: Caller) -> ColumnElement[bool]:
    """Tell which models a caller may see: the public ones, and all of its own owners'."""
    is_there = ModelRow.deleted_at.is_(None)
    if EVERY_OWNER in caller.roles:
        return is_there
    own = [_is_owned_by(owner) for owner in caller.roles]
    return and_(is_there, or_(ModelRow.is_private.is_(False), *own))


def _is_owned_by(owner: str) -> ColumnElement[bool]:
    """Tell which models belong to an owner, '' for those without one.

    Letter by letter: SQLite's LIKE takes capitals for small letters, and `Lab` is not `lab`.
    """
    if not owner:
        return not_(ModelRow.name.contains("/"))
    return func.substr(ModelRow.name, 1, len(owner) + 1) == f"{owner}/"
