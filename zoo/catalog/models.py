"""Models and revisions, found and listed as domain values; ``publishing`` adds them."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, bindparam, false, func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from zoo.catalog.index import ModelIndex
from zoo.catalog.pages import load_models, load_revisions
from zoo.catalog.rows import (
    as_revision,
    by_code_points,
    find_model_row,
    get_model_row,
    get_revision_row,
)
from zoo.catalog.tables import FileRow, ModelRow, RevisionRow
from zoo.domain.access import EVERY_OWNER, LOCAL, Caller
from zoo.domain.revision import (
    MAIN,
    Blob,
    Model,
    Revision,
)
from zoo.domain.search import Found, ModelWish

MOST_NAMES = 500  # that are looked through for one that may have been meant
LIKENESS = 3  # letters that a name begins with, where there are more
BATCH = 5000  # values in one statement; databases bound them


def get_model(db: Session, name: str, *, caller: Caller = LOCAL) -> Model:
    """Give a model with its refs, and the lineage that a caller may know of.

    Raises:
        ModelNotFound: there is none; near names are in the hint.
    """
    (found,) = load_models(db, [get_model_row(db, name).pk], caller=caller)
    return found


def list_models(db: Session, *, caller: Caller, after: str = "", limit: int = 100) -> list[Model]:
    """List the models that a caller may see, by name, from the one after ``after`` on."""
    name = by_code_points(db, ModelRow.name)
    wanted = (
        select(ModelRow.pk).where(name > after, is_visible_to(caller)).order_by(name).limit(limit)
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
    name = by_code_points(db, ModelRow.name)  # as the index sorts them
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
        found.append(is_owned_by(ModelRow.name, wish.owner))
    return found


def is_private(db: Session, name: str) -> bool:
    """Tell whether a model is there only for those who have a role for its owner."""
    row = find_model_row(db, name)
    return row is not None and row.is_private


def is_made_of(db: Session, name: str, source: str) -> bool:
    """Tell whether a model holds revisions whose parents are those of another."""
    own, parent = aliased(RevisionRow), aliased(RevisionRow)
    wanted = (
        select(own.pk)
        .join(parent, parent.pk == own.parent_pk)
        .where(
            own.model_pk == get_model_row(db, name).pk,
            parent.model_pk == get_model_row(db, source).pk,
        )
    )
    return db.scalar(wanted.limit(1)) is not None


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


def find_sizes(db: Session, name: str, digests: Collection[str]) -> dict[str, int]:
    """Give the sizes of those of some bytes that files of a model's revisions consist of."""
    model, asked = get_model_row(db, name), sorted(set(digests))
    found: dict[str, int] = {}
    for start in range(0, len(asked), BATCH):
        wanted = (
            select(FileRow.digest, FileRow.size_bytes)
            .join(RevisionRow, RevisionRow.pk == FileRow.revision_pk)
            .where(
                RevisionRow.model_pk == model.pk,
                FileRow.digest.in_(asked[start : start + BATCH]),
            )
            .distinct()
        )
        found.update((digest, size_bytes) for digest, size_bytes in db.execute(wanted))
    return found


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


def is_visible_to(caller: Caller) -> ColumnElement[bool]:
    """Tell which models a caller may see: the public ones, and all of its own owners'."""
    is_there = ModelRow.deleted_at.is_(None)
    if EVERY_OWNER in caller.roles:
        return is_there
    own = [is_owned_by(ModelRow.name, owner) for owner in caller.roles]
    return and_(is_there, or_(ModelRow.is_private.is_(False), *own))


def is_owned_by(name: InstrumentedAttribute[str], owner: str) -> ColumnElement[bool]:
    """Tell which names of models belong to an owner, '' for those without one.

    Letter by letter: SQLite's LIKE takes capitals for small letters, and `Lab` is not `lab`.
    """
    if not owner:
        return not_(name.contains("/"))
    return func.substr(name, 1, len(owner) + 1) == f"{owner}/"
