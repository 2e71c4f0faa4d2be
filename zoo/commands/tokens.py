"""`zoo tokens`."""

from datetime import datetime

import click

from zoo.commands.console import json_option, show_json, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.domain.access import Role, Token
from zoo.operations.opening import utc_now

ROLE = click.Choice([role.value for role in Role])


@click.group(invoke_without_command=True)
@at_option
@json_option
@click.pass_context
def command(context: click.Context, *, url: str | None, is_json: bool) -> None:
    """List, make and revoke tokens; alone, list them."""
    if context.invoked_subcommand is not None:
        return
    with opened_at(url) as at:
        found = at.list_tokens()
    now = utc_now()
    if is_json:
        show_json([_as_json(token) for token in found])
        return
    rows = [
        (
            token.id,
            token.account,
            token.label,
            token.role.value,
            "all" if token.owner is None else token.owner,
            "valid" if token.is_valid(now) else "revoked" if token.revoked_at else "expired",
            _day(token.expires_at),
            _day(token.used_at),
        )
        for token in found
    ]
    show_table(("TOKEN", "ACCOUNT", "LABEL", "ROLE", "OWNER", "STATE", "UNTIL", "USED"), rows)


@command.command()
@click.argument("account")
@click.option("--role", type=ROLE, default=Role.WRITE.value, show_default=True)
@click.option("--owner", help="Limit it to models and datasets of one owner.")
@click.option("--label", default="", help="By which you will know it.")
@click.option("--days", type=float, help="Until it expires.  [default: never]")
@at_option
@json_option
def create(
    *,
    account: str,
    role: str,
    owner: str | None,
    label: str,
    days: float | None,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Make a token of ACCOUNT and print its secret, this once.

    A new account may write under its own name: ada may publish ada/net. See `zoo accounts grant`
    for more.

    \b
    Example:
      zoo tokens create ada --role write --days 90
    """
    with opened_at(url) as at:
        new = at.create_token(account, role=Role(role), owner=owner, label=label, days=days)
    if is_json:
        show_json(_as_json(new.token) | {"secret": new.secret})
        return
    click.echo(new.secret)
    click.echo(f"  token {new.token.id} of {account}: {new.token.role.value}", err=True)
    click.echo("  Keep it: it is not shown again.", err=True)


@command.command()
@click.argument("number", type=click.IntRange(1))
@at_option
def revoke(*, number: int, url: str | None) -> None:
    """End token NUMBER for ever."""
    with opened_at(url) as at:
        token = at.revoke_token(number)
    click.echo(f"token {token.id} of {token.account} is revoked")


def _day(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d}" if time else ""


def _as_json(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "account": token.account,
        "label": token.label,
        "role": token.role,
        "owner": token.owner,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "used_at": token.used_at,
    }
