"""Accounts, tokens and the audit log."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints

from zoo.domain.access import EVERY_OWNER, Account, AuditEntry, Caller, Role, Token
from zoo.web.shapes.base import WITHOUT_NUL, Shape

Name = Annotated[str, StringConstraints(max_length=96, pattern=WITHOUT_NUL)]
OWNER = f"'{EVERY_OWNER}' is every owner, '' what has none"


class CallerAnswer(Shape):
    """Who asks, and what they may do."""

    account: str
    token: str | None = Field(description="the label of the token that was shown")
    roles: dict[str, Role] = Field(description=f"by owner: {OWNER}")

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """Show a caller."""
        return cls.model_validate(caller)


class TokenAnswer(Shape):
    """A token, without its secret."""

    id: int
    account: str
    label: str
    role: Role = Field(description="the most it allows")
    owner: str | None = Field(description="the one owner it is for; null is all of its account's")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="to the hour")

    @classmethod
    def of(cls, token: Token) -> Self:
        """Show a token."""
        return cls.model_validate(token)


class TokensAnswer(Shape):
    """Tokens, the newest first."""

    tokens: list[TokenAnswer]


class NewTokenAnswer(Shape):
    """A token that was just made, with its secret, which is told this once."""

    token: TokenAnswer
    secret: str


class TokenBody(Shape):
    """What a token is to allow."""

    account: Name | None = Field(default=None, description="whose it is; the caller's otherwise")
    role: Role = Role.WRITE
    owner: Name | None = Field(
        default=None, description="limits it to one owner; null is as the token that is shown"
    )
    label: Name = Field(default="", description="by which you will know it")
    days: float | None = Field(
        default=None,
        gt=0,
        description="until it expires, no later than the token that is shown; null is never",
    )


class AccountAnswer(Shape):
    """An account and its roles."""

    name: str
    roles: dict[str, Role] = Field(description=f"by owner: {OWNER}")
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> Self:
        """Show an account."""
        return cls.model_validate(account)


class AccountsAnswer(Shape):
    """All accounts, by name."""

    accounts: list[AccountAnswer]


class RoleBody(Shape):
    """The role of an account for an owner; null takes it away."""

    owner: Name = Field(description=OWNER)
    role: Role | None


class AuditQuery(Shape):
    """Which part of the audit log."""

    before: int | None = Field(default=None, ge=1, description="the number the page begins before")
    subject: str | None = Field(default=None, max_length=200, pattern=WITHOUT_NUL)
    limit: int = Field(default=100, ge=1, le=1000)


class AuditEntryAnswer(Shape):
    """One change."""

    number: int
    at: datetime
    account: str
    token: str | None
    address: str | None
    action: str
    subject: str
    detail: dict[str, Any]


class AuditAnswer(Shape):
    """Who changed what, the newest first."""

    entries: list[AuditEntryAnswer]
    next: int | None = Field(description="give it as `before` for the next page")

    @classmethod
    def of(cls, entries: list[AuditEntry], *, limit: int) -> Self:
        """Show a page of the log."""
        return cls(
            entries=[AuditEntryAnswer.model_validate(entry) for entry in entries],
            next=entries[-1].number if len(entries) == limit else None,
        )
