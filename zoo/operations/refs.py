"""Branches, tags and aliases: added, moved by hand, protected, deleted."""

from sqlalchemy.orm import Session

from zoo.catalog import attempts, audit, leases, models, refs
from zoo.domain.access import Role
from zoo.domain.job import Attempt, JobState
from zoo.domain.revision import MAIN, Ref, RefKind, Revision, check_model_name, check_ref_name
from zoo.errors import Conflict, RevisionNotFound
from zoo.operations.access import check_role, check_visible
from zoo.operations.fetch import as_seen
from zoo.operations.opening import Zoo


def list_refs(zoo: Zoo, name: str) -> list[Ref]:
    """List the refs of a model by name.

    Raises:
        ModelNotFound: there is none.
    """
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        return refs.list_refs(db, name)


def list_history(zoo: Zoo, name: str, ref: str, *, limit: int) -> list[Revision]:
    """List the last revisions that led to one, the newest first.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such thing.
    """
    with zoo.catalog.reading() as db:
        check_visible(zoo, db, check_model_name(name))
        return refs.list_history(db, name, ref, caller=zoo.caller, limit=limit)


def add_ref(zoo: Zoo, name: str, ref: str, *, target: str = MAIN, kind: RefKind) -> Revision:
    """Add a branch, a tag or an alias.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model or revision.
        BadName: a ref cannot be called so.
        RefExists: the model has such a ref.
        Forbidden: the caller may not write what belongs to the model's owner.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        current = _check_writer(zoo, db, name)
        revision = refs.add_ref(db, current, check_ref_name(ref), target, kind=kind, now=now)
        audit.add_entry(
            db, zoo.caller, "ref.add", current, now=now, ref=ref, kind=kind.value, to=revision.id
        )
        return as_seen(zoo, db, revision)


def move_alias(  # noqa: PLR0913  # what is moved where, and for whom
    zoo: Zoo,
    name: str,
    ref: str,
    *,
    target: str,
    expected: str | None = None,
    attempt: Attempt | None = None,
) -> Revision:
    """Point an alias to a revision; one that is not there is added.

    ``expected`` is the revision it must point to still. Where an attempt at a job does it, that job
    succeeds in the same transaction.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model or revision.
        BadName: a ref cannot be called so.
        Conflict: it is a branch or a tag, or it points elsewhere than expected.
        Forbidden: the caller may not write here, or it is protected and they are no admin.
        LeaseLost: the job has been given to another attempt; nothing is moved.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        if attempt is not None:
            leases.check_lease(db, attempt)
        current = _check_writer(zoo, db, name)
        found = _find_ref(db, current, check_ref_name(ref))
        if found is not None:
            _check_protection(zoo, current, found)
        if found is not None and found.kind is not RefKind.ALIAS:
            raise Conflict(
                f"{ref!r} of {current!r} is a {found.kind.value}, which is not moved by hand.",
                hint="Branches move by publishing, tags stay. Choose another name for the alias.",
            )
        if expected is not None and (found is None or found.revision != expected):
            raise Conflict(
                f"{ref!r} points to {found.revision if found else 'nothing'}, not to {expected}.",
                hint="Look at what moved it, then decide again.",
            )
        revision = refs.move_ref(db, current, ref, target, now=now, kind=RefKind.ALIAS)
        audit.add_entry(
            db,
            zoo.caller,
            "ref.move",
            current,
            now=now,
            ref=ref,
            before=found.revision if found else None,
            to=revision.id,
        )
        if attempt is not None:
            result = {"revision": revision.address, "alias": ref}
            outcome = attempts.Outcome(state=JobState.SUCCEEDED, result=result)
            attempts.end_attempt(db, attempt, outcome, now=now)
        return as_seen(zoo, db, revision)


def protect_ref(zoo: Zoo, name: str, ref: str, *, is_protected: bool) -> Ref:
    """Have a ref moved and deleted by admins of the model's owner only, or by writers again.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model or ref.
        Forbidden: the caller is no admin of the model's owner.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        current = _check_writer(zoo, db, name)
        check_role(zoo, Role.ADMIN, current)
        found = refs.protect_ref(db, current, ref, is_protected=is_protected)
        audit.add_entry(
            db, zoo.caller, "ref.protect", current, now=now, ref=ref, is_protected=is_protected
        )
    return found


def delete_ref(zoo: Zoo, name: str, ref: str, *, kind: RefKind | None = None) -> Ref:
    """Take a ref away, of one kind where that is said; the revision and its history stay.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model or ref.
        BadName: it is main.
        Forbidden: the caller may not write here, or it is protected and they are no admin.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        current = _check_writer(zoo, db, name)
        found = refs.get_ref(db, current, ref)
        if kind is not None and found.kind is not kind:
            raise RevisionNotFound(f"{current!r} has no {kind.value} {ref!r}.", name=current)
        _check_protection(zoo, current, found)
        gone = refs.delete_ref(db, current, ref, now=now)
        audit.add_entry(db, zoo.caller, "ref.delete", current, now=now, ref=ref)
    return gone


def _check_writer(zoo: Zoo, db: Session, name: str) -> str:
    """Give the name that a model has by now, to a caller who may write it."""
    check_visible(zoo, db, check_model_name(name))
    current = models.get_model(db, name).name
    check_role(zoo, Role.WRITE, current)
    return current


def _check_protection(zoo: Zoo, name: str, ref: Ref) -> None:
    if ref.is_protected:
        check_role(zoo, Role.ADMIN, name)


def _find_ref(db: Session, name: str, ref: str) -> Ref | None:
    return next((one for one in refs.list_refs(db, name) if one.name == ref), None)
