"""/tokens, /audit, /health: who may ask, who changed what, and what the zoo stands on."""

from flask import Blueprint, redirect
from flask.typing import ResponseReturnValue
from pydantic import Field

from zoo.domain.access import Role
from zoo.operations import access, accounts
from zoo.operations.inspect import examine
from zoo.operations.statistics import get_totals
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_form, read_query
from zoo.web.pages.frame import Ways, show
from zoo.web.pages.signing_in import SEE_OTHER
from zoo.web.shapes.accounts import AuditQuery
from zoo.web.shapes.base import WITHOUT_NUL, Shape

bp = Blueprint("pages_admin", __name__)


class TokenForm(Shape):
    """A token, as a form asks for it."""

    account: str = Field(default="", max_length=96, pattern=WITHOUT_NUL)
    label: str = Field(default="", max_length=96, pattern=WITHOUT_NUL)
    role: Role = Role.WRITE
    owner: str | None = Field(default=None, max_length=96, pattern=WITHOUT_NUL)
    days: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@bp.get("/tokens")
@needs(Need.ACCOUNT)
def show_tokens() -> ResponseReturnValue:
    """Show the caller's tokens, or everyone's to who looks after the zoo."""
    return _show_tokens()


@bp.post("/tokens")
@needs(Need.ACCOUNT)
def post_token() -> ResponseReturnValue:
    """Make a token, and show its secret this once."""
    zoo, form = current_zoo(), read_form(TokenForm)
    new = accounts.create_token(
        zoo,
        form.account or zoo.caller.account,
        role=form.role,
        owner=form.owner,
        label=form.label,
        days=form.days,
    )
    return _show_tokens(new=new)


@bp.post("/tokens/<int:number>/revoke")
@needs(Need.ACCOUNT)
def post_revoke(number: int) -> ResponseReturnValue:
    """End a token for ever."""
    accounts.revoke_token(current_zoo(), number)
    return redirect("/tokens", SEE_OTHER)


@bp.get("/audit")
@needs(Need.ADMIN)
def show_audit() -> ResponseReturnValue:
    """Show who changed what, the newest first."""
    query = read_query(AuditQuery)
    found = access.list_audit(
        current_zoo(), before=query.before, subject=query.subject, limit=query.limit
    )
    return show(
        "audit.html",
        ways=Ways(twin="/v1/audit", command="audit"),
        entries=found,
        subject=query.subject or "",
        next=found[-1].number if len(found) == query.limit else None,
    )


@bp.get("/health")
@needs(Need.ADMIN)
def show_health() -> ResponseReturnValue:
    """Show what the zoo stands on, and what it holds."""
    zoo = current_zoo()
    return show(
        "health.html",
        ways=Ways(twin="/v1/health", command="doctor"),
        findings=examine(zoo),
        totals=get_totals(zoo),
    )


def _show_tokens(new: accounts.NewToken | None = None) -> ResponseReturnValue:
    zoo = current_zoo()
    return show(
        "tokens.html",
        ways=Ways(twin="/v1/tokens", command="tokens"),
        tokens=accounts.list_tokens(zoo),
        now=zoo.clock(),
        roles=[role.value for role in Role],
        account=zoo.caller.account,
        rules=zoo.caller.rules,
        new=new,
    )
