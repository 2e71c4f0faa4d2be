"""Who asks, and what they may do: roles per owner of models and datasets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

EVERY_OWNER = "*"
LOCAL_ACCOUNT = "local"  # whoever works on the zoo's own machine
ANONYMOUS_ACCOUNT = "anonymous"
RESERVED_ACCOUNTS = {LOCAL_ACCOUNT, ANONYMOUS_ACCOUNT}


class Role(StrEnum):
    """What someone may do with an owner's models; each may do what those before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, other: "Role") -> bool:
        """Tell whether this role may do all that another may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a token allows; it stays with the jobs that are asked for with the token."""

    role: Role
    owner: str | None  # the one owner it is for, or None for all of its account's

    def as_json(self) -> dict[str, Any]:
        """Give it in the form that is kept with a job."""
        return {"role": self.role.value, "owner": self.owner}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Read it back."""
        return cls(role=Role(kept["role"]), owner=kept["owner"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who an operation is done for."""

    account: str
    roles: Mapping[str, Role] = field(default_factory=dict)  # by owner; "" has models without one
    token: str | None = None  # the label of the token that was shown
    shown: "Token | None" = None  # that token: it bounds those that are made and ended with it
    address: str | None = None  # where the request came from

    @property
    def is_anonymous(self) -> bool:
        """Tell whether nobody said who this is."""
        return self.account == ANONYMOUS_ACCOUNT

    def may(self, role: Role, name: str) -> bool:
        """Tell whether this caller has a role for what a model or dataset belongs to."""
        return self.may_for(role, owner_of(name))

    def may_for(self, role: Role, owner: str) -> bool:
        """Tell whether this caller has a role for an owner."""
        held = {self.roles.get(owner), self.roles.get(EVERY_OWNER)} - {None}
        return any(one.covers(role) for one in held if one is not None)

    def may_somewhere(self, role: Role) -> bool:
        """Tell whether this caller has a role for any owner at all."""
        return any(held.covers(role) for held in self.roles.values())

    @property
    def rules(self) -> bool:
        """Tell whether this caller looks after the whole zoo."""
        return self.may_for(Role.ADMIN, EVERY_OWNER)

    @property
    def limit(self) -> Limit | None:
        """What the token that was shown allows at most; None where that is all of its account's."""
        if self.shown is None or (self.shown.role is Role.ADMIN and self.shown.owner is None):
            return None
        return Limit(role=self.shown.role, owner=self.shown.owner)

    def asked(self, account: str, limit: Limit | None) -> bool:
        """Tell whether a job is one of this caller's, by the account and limit it was asked for by.

        With a token for one owner, those are the jobs that were asked for with such a token.
        """
        owner = self.shown.owner if self.shown else None
        mine = limit.owner if limit else None
        return account == self.account and owner in {None, mine}

    def limited(self, role: Role, owner: str | None) -> Self:
        """Give the caller with no more than a role, for one owner where that is given."""
        roles = {
            one: min(held, role, key=list(Role).index)
            for one, held in self.roles.items()
            if owner is None or one in {owner, EVERY_OWNER}
        }
        if owner is not None and roles:
            roles = {owner: max(roles.values(), key=list(Role).index)}
        return replace(self, roles=roles)


LOCAL = Caller(account=LOCAL_ACCOUNT, roles={EVERY_OWNER: Role.ADMIN})
ANONYMOUS = Caller(account=ANONYMOUS_ACCOUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; its secret is shown once and never kept."""

    id: int
    account: str
    label: str
    role: Role  # the most it allows, whatever its account may do
    owner: str | None  # the one owner it is for, or None for all of its account's
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None  # to the hour

    def covers(self, other: "Token") -> bool:
        """Tell whether it allows all that another token of its account does."""
        return self.role.covers(other.role) and self.owner in {None, other.owner}

    def is_valid(self, now: datetime) -> bool:
        """Tell whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Someone who may ask, and their role for each owner they were given one for."""

    name: str
    roles: Mapping[str, Role]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change that somebody made, kept for ever."""

    number: int
    at: datetime
    account: str
    token: str | None
    address: str | None
    action: str  # "publish", "ref.move", "token.create" ...
    subject: str  # the model, dataset, job or account it was done to
    detail: dict[str, Any]


def owner_of(name: str) -> str:
    """Give the owner in a model's or dataset's name; one without an owner belongs to ''."""
    owner, slash, _ = name.partition("/")
    return owner if slash else ""
