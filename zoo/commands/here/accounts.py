"""Who may use the zoo of this machine, and what nobody needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.commands.here.opened import OverZoo
from zoo.operations import access, accounts, quotas, sweep

if TYPE_CHECKING:
    from zoo.domain.access import Account, AuditEntry, Role, Token
    from zoo.domain.quota import Quota, Usage


class Accounts(OverZoo):
    """Who may ask, how much they may have, what they did; and what nobody needs any more."""

    __slots__ = ()

    def list_tokens(self) -> list[Token]:
        """List everyone's tokens."""
        return accounts.list_tokens(self.zoo)

    def create_token(
        self, account: str, *, role: Role, owner: str | None, label: str, days: float | None
    ) -> accounts.NewToken:
        """Make a token."""
        return accounts.create_token(
            self.zoo, account, role=role, owner=owner, label=label, days=days
        )

    def revoke_token(self, number: int) -> Token:
        """End a token."""
        return accounts.revoke_token(self.zoo, number)

    def list_accounts(self) -> list[Account]:
        """List all accounts."""
        return accounts.list_accounts(self.zoo)

    def grant_role(self, account: str, owner: str, role: Role) -> Account:
        """Give an account a role for an owner."""
        return accounts.grant_role(self.zoo, account, owner, role)

    def withdraw_role(self, account: str, owner: str) -> Account:
        """Take an account's role for an owner away."""
        return accounts.withdraw_role(self.zoo, account, owner)

    def list_usage(self) -> list[Usage]:
        """Say what all owners have, and may have."""
        return quotas.list_usage(self.zoo)

    def set_quota(self, owner: str, quota: Quota | None) -> Usage:
        """Set what an owner may have."""
        return quotas.set_quota(self.zoo, owner, quota)

    def list_audit(self, *, subject: str | None, limit: int) -> list[AuditEntry]:
        """List who changed what, the newest first."""
        return access.list_audit(self.zoo, subject=subject, limit=limit)

    def sweep(self, *, is_dry: bool) -> sweep.Swept:
        """Remove deleted models and unreferenced bytes that are old enough."""
        return sweep.sweep(self.zoo, is_dry=is_dry)
