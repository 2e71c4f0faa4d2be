"""Accounts and tokens: who may ask, and by what secret they are known."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from zoo.catalog import accounts, audit
from zoo.domain.access import (
    ANONYMOUS,
    EVERY_OWNER,
    LOCAL,
    RESERVED_ACCOUNTS,
    Account,
    Caller,
    Role,
    Token,
)
from zoo.domain.job import Job
from zoo.domain.revision import is_plain
from zoo.errors import BadName, Forbidden, Invalid, TokenNotFound, Unauthenticated
from zoo.operations.access import check_rules
from zoo.operations.opening import Zoo

PREFIX = "zoo_"  # by which scanners of leaked secrets know one
SECRET_BYTES = 32  # too many to be guessed, so that no slow hash is needed
USE_NOTED_EVERY = timedelta(hours=1)  # A request that only reads should not have to write.
MOST_LABEL = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made, with the one sight of its secret."""

    token: Token
    secret: str


def authenticate(zoo: Zoo, secret: str) -> Caller:
    """Give who shows this secret, with the roles it allows.

    Raises:
        Unauthenticated: it is no token, or one that expired or was revoked.
    """
    now = zoo.clock()
    # Found by digest, in an index: how long that takes tells nothing of the secrets there are.
    digest = _digest(secret)
    with zoo.catalog.reading() as db:
        found = accounts.find_token(db, digest)
    if found is None or not found[0].is_valid(now):
        raise Unauthenticated("This token is unknown, has expired or was revoked.")
    token, caller = found
    if token.used_at is None or now - token.used_at > USE_NOTED_EVERY:
        with zoo.catalog.writing() as db:
            accounts.note_use(db, token.id, now=now)
    return caller.limited(token.role, token.owner)


def as_asker(zoo: Zoo, job: Job) -> Zoo:
    """Give the zoo as whoever asked for a job sees it today.

    A job is done by the zoo itself, but what it looks for is what its account may see, and what it
    writes is what that may write, by the roles of today and no more than its token allowed.

    Raises:
        AccountNotFound: there is no such account.
    """
    with zoo.catalog.reading() as db:
        return replace(zoo, caller=find_asker(db, job))


def find_asker(db: Session, job: Job) -> Caller:
    """Give who asked for a job, with the roles of today and no more than the token allowed.

    Raises:
        AccountNotFound: there is no such account.
    """
    caller = find_caller(db, job.account)
    return caller if job.limit is None else caller.limited(job.limit.role, job.limit.owner)


def find_caller(db: Session, account: str) -> Caller:
    """Give an account with all of its own roles.

    Raises:
        AccountNotFound: there is none of that name.
    """
    known = {one.account: one for one in (LOCAL, ANONYMOUS)}
    if account in known:
        return known[account]
    return Caller(account=account, roles=accounts.get_account(db, account).roles)


def create_token(  # noqa: PLR0913  # what a token is
    zoo: Zoo,
    account: str,
    *,
    role: Role = Role.WRITE,
    owner: str | None = None,
    label: str = "",
    days: float | None = None,
) -> NewToken:
    """Make a token of an account; its secret is told this once.

    An account makes its own, with no more than its own roles; admins of the zoo make anyone's.
    Where it is made by showing a token of the same account, it is for no other owner than that one
    and ends no later.

    Raises:
        BadName: no account can be called so.
        Invalid: its time would not lie in the future.
        Forbidden: the token would allow more than the caller may do.
    """
    check_account_name(account)
    now = zoo.clock()
    expires_at = find_expiry(now, days)
    shown = zoo.caller.shown
    if shown is not None and shown.account == account:
        owner = shown.owner if owner is None else owner
        expires_at = min(filter(None, (shown.expires_at, expires_at)), default=None)
    _check_given(zoo, account, role, owner)
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    new = accounts.NewToken(
        account=account,
        label=(label or f"{role.value} token")[:MOST_LABEL],
        digest=_digest(secret),
        role=role,
        owner=owner,
        expires_at=expires_at,
    )
    with zoo.catalog.writing() as db:
        token = accounts.add_token(db, new, now=now)
        audit.add_entry(
            db, zoo.caller, "token.create", account, now=now, token=token.id, role=role.value
        )
    return NewToken(token=token, secret=secret)


def create_first_admin(zoo: Zoo) -> NewToken | None:
    """Make an account that looks after the zoo, and its token, unless there is one already."""
    with zoo.catalog.writing() as db:
        if accounts.has_admin(db, EVERY_OWNER):
            return None
        accounts.grant_role(db, "admin", EVERY_OWNER, Role.ADMIN, now=zoo.clock())
    return create_token(zoo, "admin", role=Role.ADMIN, label="first token")


def list_tokens(zoo: Zoo) -> list[Token]:
    """List the caller's tokens, or everyone's for those who look after the zoo."""
    with zoo.catalog.reading() as db:
        return accounts.list_tokens(db, account=None if zoo.caller.rules else zoo.caller.account)


def revoke_token(zoo: Zoo, number: int) -> Token:
    """End a token for ever: the one that is shown, or one that allows no more than that.

    Those who look after the zoo end any.

    Raises:
        TokenNotFound: there is none of that number, or it is somebody else's.
        Forbidden: it allows more than the one that is shown.
    """
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        token = accounts.get_token(db, number)
        if not (zoo.caller.rules or token.account == zoo.caller.account):
            raise TokenNotFound(f"There is no token {number}.", token=number)
        shown = zoo.caller.shown
        if not (zoo.caller.rules or shown is None or shown.covers(token)):
            raise Forbidden(
                f"Token {number} allows more than the one you use.",
                hint="Use a token of your account that allows as much, or ask an admin of the zoo.",
                token=number,
            )
        token = accounts.revoke_token(db, number, now=now)
        audit.add_entry(db, zoo.caller, "token.revoke", token.account, now=now, token=number)
    return token


def list_accounts(zoo: Zoo) -> list[Account]:
    """List all accounts.

    Raises:
        Forbidden: the caller does not look after the zoo.
    """
    check_rules(zoo)
    with zoo.catalog.reading() as db:
        return accounts.list_accounts(db)


def grant_role(zoo: Zoo, account: str, owner: str, role: Role) -> Account:
    """Give an account a role for an owner: ``*`` is every owner, '' what has none.

    Raises:
        BadName: no account or owner can be called so.
        Forbidden: the caller is no admin of that owner.
    """
    check_account_name(account)
    _check_owner(owner)
    _check_admin_of(zoo.caller, owner)
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        found = accounts.grant_role(db, account, owner, role, now=now)
        audit.add_entry(
            db, zoo.caller, "role.grant", account, now=now, owner=owner, role=role.value
        )
    return found


def withdraw_role(zoo: Zoo, account: str, owner: str) -> Account:
    """Take an account's role for an owner away.

    Raises:
        AccountNotFound: there is no such account.
        Forbidden: the caller is no admin of that owner.
    """
    _check_admin_of(zoo.caller, owner)
    now = zoo.clock()
    with zoo.catalog.writing() as db:
        found = accounts.withdraw_role(db, account, owner)
        audit.add_entry(db, zoo.caller, "role.withdraw", account, now=now, owner=owner)
    return found


def check_account_name(name: str) -> str:
    """Return the name if an account, or an owner of models, may be called so.

    Raises:
        BadName: it may not.
    """
    if not is_plain(name) or name in RESERVED_ACCOUNTS:
        raise BadName(
            f"An account cannot be called {name!r}.",
            hint="Names are 1 to 96 letters, digits, '.', '_' and '-', and begin with one of the"
            f" first two; {' and '.join(sorted(RESERVED_ACCOUNTS))} mean something else.",
            name=name,
        )
    return name


def _check_owner(owner: str) -> None:
    if owner not in {"", EVERY_OWNER}:
        check_account_name(owner)


def _check_admin_of(caller: Caller, owner: str) -> None:
    if not caller.may_for(Role.ADMIN, owner):
        raise Forbidden(
            f"{caller.account!r} is no admin of {owner or 'what has no owner'!r}.",
            hint="Ask one who is, or an admin of the zoo.",
            account=caller.account,
            owner=owner,
        )


def _check_given(zoo: Zoo, account: str, role: Role, owner: str | None) -> None:
    """Refuse a token that would allow more than the one who makes it may do."""
    if owner is not None:
        _check_owner(owner)
    caller = zoo.caller
    if caller.rules:
        return
    if account == caller.account and not caller.is_anonymous:
        with zoo.catalog.reading() as db:
            held = accounts.get_account(db, account).roles
        allowed = replace(caller, roles=held).limited(role, owner).roles
        if all(caller.may_for(one, whose) for whose, one in allowed.items()):
            return
    raise Forbidden(
        f"{caller.account!r} cannot make a {role.value} token of {account!r} here.",
        hint="Make one for your own account, that allows no more than the token you use.",
        account=caller.account,
    )


def find_expiry(now: datetime, days: float | None) -> datetime | None:
    """Say when a token of so many days expires; None is never.

    Raises:
        Invalid: that is no time in the future.
    """
    if days is None:
        return None
    try:
        expires_at = now + timedelta(days=days)
    except (OverflowError, ValueError) as error:
        raise Invalid(f"{days} days reach beyond the calendar.", hint="Give fewer.") from error
    if expires_at <= now:
        raise Invalid(f"A token of {days} days has expired already.", hint="Give more than 0.")
    return expires_at


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
