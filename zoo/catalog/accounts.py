"""Accounts, their roles and their tokens: rows in, domain values out."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from zoo.catalog.tables import LARGEST, AccountRow, GrantRow, TokenRow
from zoo.domain.access import Account, Caller, Role, Token
from zoo.errors import AccountNotFound, TokenNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to be: of its secret only the digest is known here."""

    account: str
    label: str
    digest: str  # sha256 of the secret
    role: Role
    owner: str | None
    expires_at: datetime | None


def add_token(db: Session, new: NewToken, *, now: datetime) -> Token:
    """Add a token, and its account where there is none of that name yet."""
    account = _find_account(db, new.account) or _add_account(db, new.account, now)
    row = TokenRow(
        account=account,
        label=new.label,
        digest=new.digest,
        role=new.role,
        owner=new.owner,
        created_at=now,
        expires_at=new.expires_at,
    )
    db.add(row)
    db.flush()
    return _token(row)


def find_token(db: Session, digest: str) -> tuple[Token, Caller] | None:
    """Give the token of a digest, with its account as a caller who has all of its roles."""
    row = db.scalar(select(TokenRow).where(TokenRow.digest == digest))
    if row is None:
        return None
    token = _token(row)
    caller = Caller(
        account=token.account, roles=_roles(row.account), token=token.label, shown=token
    )
    return token, caller


def note_use(db: Session, number: int, *, now: datetime) -> None:
    """Write down when a token was used last."""
    _get_token(db, number).used_at = now


def get_token(db: Session, number: int) -> Token:
    """Give a token.

    Raises:
        TokenNotFound: there is none of that number.
    """
    return _token(_get_token(db, number))


def list_tokens(db: Session, *, account: str | None = None) -> list[Token]:
    """List tokens, those of one account or all, the newest first."""
    wanted = select(TokenRow).order_by(TokenRow.pk.desc()).options(selectinload(TokenRow.account))
    if account is not None:
        wanted = wanted.join(AccountRow).where(AccountRow.name == account)
    return [_token(row) for row in db.scalars(wanted)]


def revoke_token(db: Session, number: int, *, now: datetime) -> Token:
    """End a token for ever; one that is ended stays as it is.

    Raises:
        TokenNotFound: there is none of that number.
    """
    row = _get_token(db, number)
    row.revoked_at = row.revoked_at or now
    db.flush()
    return _token(row)


def has_admin(db: Session, owner: str) -> bool:
    """Tell whether some account is an admin of an owner."""
    wanted = select(GrantRow.owner).where(GrantRow.owner == owner, GrantRow.role == Role.ADMIN)
    return db.scalar(wanted.limit(1)) is not None


def get_account(db: Session, name: str) -> Account:
    """Give an account.

    Raises:
        AccountNotFound: there is none of that name.
    """
    return _account(_get_account(db, name))


def list_accounts(db: Session) -> list[Account]:
    """List all accounts by name."""
    wanted = select(AccountRow).order_by(AccountRow.name).options(selectinload(AccountRow.grants))
    return [_account(row) for row in db.scalars(wanted)]


def grant_role(db: Session, name: str, owner: str, role: Role, *, now: datetime) -> Account:
    """Give an account a role for an owner in place of the one it has; add the account if new."""
    account = _find_account(db, name) or _add_account(db, name, now)
    grant = db.get(GrantRow, (account.pk, owner))
    if grant is None:
        db.add(GrantRow(account_pk=account.pk, owner=owner, role=role))
    else:
        grant.role = role
    db.flush()
    db.expire(account)
    return _account(account)


def withdraw_role(db: Session, name: str, owner: str) -> Account:
    """Take the role for an owner away from an account.

    Raises:
        AccountNotFound: there is no such account.
    """
    account = _get_account(db, name)
    grant = db.get(GrantRow, (account.pk, owner))
    if grant is not None:
        db.delete(grant)
        db.flush()
        db.expire(account)
    return _account(account)


def _find_account(db: Session, name: str) -> AccountRow | None:
    return db.scalar(select(AccountRow).where(AccountRow.name == name))


def _get_account(db: Session, name: str) -> AccountRow:
    row = _find_account(db, name)
    if row is None:
        raise AccountNotFound(f"There is no account {name!r}.", name=name)
    return row


def _add_account(db: Session, name: str, now: datetime) -> AccountRow:
    row = AccountRow(name=name, created_at=now)
    db.add(row)
    db.flush()
    return row


def _get_token(db: Session, number: int) -> TokenRow:
    row = db.get(TokenRow, number) if number <= LARGEST else None
    if row is None:
        raise TokenNotFound(f"There is no token {number}.", token=number)
    return row


def _roles(row: AccountRow) -> dict[str, Role]:
    """Give an account's roles; what bears its own name is its own."""
    return {row.name: Role.ADMIN} | {grant.owner: grant.role for grant in row.grants}


def _account(row: AccountRow) -> Account:
    return Account(name=row.name, roles=_roles(row), created_at=row.created_at)


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.pk,
        account=row.account.name,
        label=row.label,
        role=row.role,
        owner=row.owner,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
