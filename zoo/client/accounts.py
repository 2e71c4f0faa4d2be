"""Accounts, tokens, quotas and the audit log of another zoo, and its sweeps."""

from dataclasses import dataclass
from urllib.parse import quote

from zoo.client.reading import Asking
from zoo.domain.access import Account, AuditEntry, Role, Token
from zoo.domain.quota import Quota, Usage
from zoo.operations.accounts import NewToken, check_account_name, find_expiry
from zoo.operations.opening import utc_now
from zoo.operations.sweep import Swept

MOST_ENTRIES = 1000  # of the log, that one answer holds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tokens:
    tokens: list[Token]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accounts:
    accounts: list[Account]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owners:
    owners: list[Usage]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entries:
    entries: list[AuditEntry]
    next: int | None


class Accounts(Asking):
    """Who may ask there, how much they may have, and what they did."""

    __slots__ = ()

    def list_tokens(self) -> list[Token]:
        """List the caller's tokens, or everyone's."""
        return self.ask(_Tokens, "GET", "/v1/tokens").tokens

    def create_token(
        self, account: str, *, role: Role, owner: str | None, label: str, days: float | None
    ) -> NewToken:
        """Make a token."""
        check_account_name(account)
        find_expiry(utc_now(), days)
        body = {"account": account, "role": role, "owner": owner, "label": label, "days": days}
        return self.ask(NewToken, "POST", "/v1/tokens", body)

    def revoke_token(self, number: int) -> Token:
        """End a token."""
        return self.ask(Token, "DELETE", f"/v1/tokens/{number}")

    def list_accounts(self) -> list[Account]:
        """List all accounts."""
        return self.ask(_Accounts, "GET", "/v1/accounts").accounts

    def grant_role(self, account: str, owner: str, role: Role) -> Account:
        """Give an account a role for an owner."""
        check_account_name(account)
        return self._put_role(account, {"owner": owner, "role": role})

    def withdraw_role(self, account: str, owner: str) -> Account:
        """Take an account's role for an owner away."""
        check_account_name(account)
        return self._put_role(account, {"owner": owner, "role": None})

    def list_usage(self) -> list[Usage]:
        """Say what all owners have, and may have."""
        return self.ask(_Owners, "GET", "/v1/quotas").owners

    def set_quota(self, owner: str, quota: Quota | None) -> Usage:
        """Set what an owner may have; None takes the settings of that zoo again."""
        body: dict[str, object] = {"owner": owner, "is_default": quota is None}
        if quota is not None:
            body |= {
                "most_bytes": quota.most_bytes,
                "most_models": quota.most_models,
                "most_revisions": quota.most_revisions,
            }
        return self.ask(Usage, "PUT", "/v1/quotas", body)

    def list_audit(self, *, subject: str | None, limit: int) -> list[AuditEntry]:
        """List who changed what, the newest first."""
        found: list[AuditEntry] = []
        before: int | None = None
        while len(found) < limit:
            query = {
                "subject": subject,
                "before": before,
                "limit": min(limit - len(found), MOST_ENTRIES),
            }
            page = self.ask(_Entries, "GET", "/v1/audit", query=query)
            found += page.entries
            before = page.next
            if before is None or not page.entries:
                break
        return found

    def sweep(self, *, is_dry: bool) -> Swept:
        """Remove deleted models and unreferenced bytes that are old enough."""
        return self.ask(Swept, "POST", "/v1/sweep", {"is_dry": is_dry})

    def _put_role(self, account: str, body: dict[str, object]) -> Account:
        return self.ask(Account, "PUT", f"/v1/accounts/{quote(account)}/roles", body)
