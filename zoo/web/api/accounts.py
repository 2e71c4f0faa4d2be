"""/v1/whoami, /v1/tokens, /v1/accounts, /v1/audit: who may ask, and who changed what."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import AccountNotFound, BadName, Invalid, TokenNotFound
from zoo.operations import access, accounts
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body, read_query
from zoo.web.reference import tells
from zoo.web.shapes.accounts import (
    AccountAnswer,
    AccountsAnswer,
    AuditAnswer,
    AuditQuery,
    CallerAnswer,
    NewTokenAnswer,
    RoleBody,
    TokenAnswer,
    TokenBody,
    TokensAnswer,
)

bp = Blueprint("accounts", __name__, url_prefix="/v1")


@bp.get("/whoami")
@needs(Need.READ)
@tells(CallerAnswer)
def get_caller() -> ResponseReturnValue:
    """Say who asks, and what they may do."""
    return jsonify(CallerAnswer.of(current_zoo().caller).model_dump(mode="json"))


@bp.get("/tokens")
@needs(Need.ACCOUNT)
@tells(TokensAnswer)
def list_tokens() -> ResponseReturnValue:
    """List the caller's tokens, or everyone's for those who look after the zoo."""
    found = [TokenAnswer.of(token) for token in accounts.list_tokens(current_zoo())]
    return jsonify(TokensAnswer(tokens=found).model_dump(mode="json"))


@bp.post("/tokens")
@needs(Need.ACCOUNT)
@tells(NewTokenAnswer, status=201, body=TokenBody, refuses=(BadName, Invalid))
def post_token() -> ResponseReturnValue:
    """Make a token of an account; its secret is told this once.

    Shown a token of the same account, it is for the same owner, and ends no later.
    """
    zoo, body = current_zoo(), read_body(TokenBody)
    new = accounts.create_token(
        zoo,
        body.account or zoo.caller.account,
        role=body.role,
        owner=body.owner,
        label=body.label,
        days=body.days,
    )
    answer = NewTokenAnswer(token=TokenAnswer.of(new.token), secret=new.secret)
    return jsonify(answer.model_dump(mode="json")), 201


@bp.delete("/tokens/<int:number>")
@needs(Need.ACCOUNT)
@tells(TokenAnswer, refuses=(TokenNotFound,))
def delete_token(number: int) -> ResponseReturnValue:
    """End a token for ever; it stays in the list.

    The one that is shown ends itself and those of its account that allow no more than it does;
    admins of the zoo end any.
    """
    token = accounts.revoke_token(current_zoo(), number)
    return jsonify(TokenAnswer.of(token).model_dump(mode="json"))


@bp.get("/accounts")
@needs(Need.ADMIN)
@tells(AccountsAnswer)
def list_accounts() -> ResponseReturnValue:
    """List all accounts with their roles."""
    found = [AccountAnswer.of(account) for account in accounts.list_accounts(current_zoo())]
    return jsonify(AccountsAnswer(accounts=found).model_dump(mode="json"))


@bp.put("/accounts/<account>/roles")
@needs(Need.ACCOUNT)
@tells(AccountAnswer, body=RoleBody, refuses=(AccountNotFound, BadName))
def put_role(account: str) -> ResponseReturnValue:
    """Give an account a role for an owner, or take it away; admins of that owner may."""
    zoo, body = current_zoo(), read_body(RoleBody)
    if body.role is None:
        found = accounts.withdraw_role(zoo, account, body.owner)
    else:
        found = accounts.grant_role(zoo, account, body.owner, body.role)
    return jsonify(AccountAnswer.of(found).model_dump(mode="json"))


@bp.get("/audit")
@needs(Need.ADMIN)
@tells(AuditAnswer, query=AuditQuery)
def list_audit() -> ResponseReturnValue:
    """List who changed what, the newest first."""
    query = read_query(AuditQuery)
    found = access.list_audit(
        current_zoo(), before=query.before, subject=query.subject, limit=query.limit
    )
    return jsonify(AuditAnswer.of(found, limit=query.limit).model_dump(mode="json"))
