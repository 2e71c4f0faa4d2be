"""`zoo accounts`."""

import click

from zoo.commands.console import json_option, opened, show_json, show_table
from zoo.commands.tokens import ROLE
from zoo.domain.access import EVERY_OWNER, Account, Role
from zoo.operations import accounts

OWNER_HELP = "Whose models and datasets; '*' is everyone's, '' those without an owner."


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, *, is_json: bool) -> None:
    """List accounts, give and take roles; alone, list them."""
    if context.invoked_subcommand is not None:
        return
    with opened() as zoo:
        found = accounts.list_accounts(zoo)
    if is_json:
        show_json([_as_json(account) for account in found])
        return
    show_table(("ACCOUNT", "ROLES"), [(one.name, _told(one)) for one in found])


@command.command()
@click.argument("account")
@click.option("--owner", required=True, help=OWNER_HELP)
@click.option("--role", type=ROLE, required=True)
def grant(*, account: str, owner: str, role: str) -> None:
    r"""Give ACCOUNT a role for an owner, in place of the one it has.

    \b
    Example:
      zoo accounts grant ada --owner lab --role write
    """
    with opened() as zoo:
        found = accounts.grant_role(zoo, account, owner, Role(role))
    click.echo(f"{found.name}: {_told(found)}")


@command.command()
@click.argument("account")
@click.option("--owner", required=True, help=OWNER_HELP)
def withdraw(*, account: str, owner: str) -> None:
    """Take ACCOUNT's role for an owner away."""
    with opened() as zoo:
        found = accounts.withdraw_role(zoo, account, owner)
    click.echo(f"{found.name}: {_told(found)}")


def _told(account: Account) -> str:
    names = {"": "(without an owner)", EVERY_OWNER: "(everything)"}
    return ", ".join(
        f"{role.value} {names.get(owner, owner)}" for owner, role in sorted(account.roles.items())
    )


def _as_json(account: Account) -> dict[str, object]:
    return {"name": account.name, "roles": account.roles, "created_at": account.created_at}
