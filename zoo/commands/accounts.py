"""`zoo accounts`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, show_json, show_size, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.commands.tokens import ROLE
from zoo.domain.access import EVERY_OWNER, Account, Role
from zoo.domain.quota import Quota, Usage

OWNER_HELP = "Whose models and datasets; '*' is everyone's, '' those without an owner."


@click.group(invoke_without_command=True)
@at_option
@json_option
@click.pass_context
def command(context: click.Context, *, url: str | None, is_json: bool) -> None:
    """List accounts, give and take roles; alone, list them."""
    if context.invoked_subcommand is not None:
        return
    with opened_at(url) as at:
        found = at.list_accounts()
    if is_json:
        show_json([_as_json(account) for account in found])
        return
    show_table(("ACCOUNT", "ROLES"), [(one.name, _told(one)) for one in found])


@command.command()
@click.argument("account")
@click.option("--owner", required=True, help=OWNER_HELP)
@click.option("--role", type=ROLE, required=True)
@at_option
def grant(*, account: str, owner: str, role: str, url: str | None) -> None:
    r"""Give ACCOUNT a role for an owner, in place of the one it has.

    \b
    Example:
      zoo accounts grant ada --owner lab --role write
    """
    with opened_at(url) as at:
        found = at.grant_role(account, owner, Role(role))
    click.echo(f"{found.name}: {_told(found)}")


@command.command()
@click.argument("account")
@click.option("--owner", required=True, help=OWNER_HELP)
@at_option
def withdraw(*, account: str, owner: str, url: str | None) -> None:
    """Take ACCOUNT's role for an owner away."""
    with opened_at(url) as at:
        found = at.withdraw_role(account, owner)
    click.echo(f"{found.name}: {_told(found)}")


@command.command()
@at_option
@json_option
def usage(*, url: str | None, is_json: bool) -> None:
    """Say what owners have of bytes, models and revisions, and may have."""
    with opened_at(url) as at:
        found = at.list_usage()
    if is_json:
        show_json([asdict(one) for one in found])
        return
    header = ("OWNER", "BYTES", "OF", "MODELS", "OF", "REVISIONS", "OF")
    show_table(header, [_usage_row(one) for one in found])


@command.command()
@click.argument("owner")
@click.option("--bytes", "most_bytes", type=click.IntRange(0), help="Most bytes.")
@click.option("--models", "most_models", type=click.IntRange(0), help="Most models.")
@click.option("--revisions", "most_revisions", type=click.IntRange(0), help="Most revisions.")
@click.option("--default", "is_default", is_flag=True, help="What the settings give everyone.")
@at_option
def quota(*, owner: str, is_default: bool, url: str | None, **most: int | None) -> None:
    r"""Set what OWNER may have; what is not named has no limit. '' is what has no owner.

    \b
    Example:
      zoo accounts quota lab --bytes 50000000000 --models 100
    """
    if is_default and any(value is not None for value in most.values()):
        raise click.UsageError("--default stands alone.")
    with opened_at(url) as at:
        found = at.set_quota(owner, None if is_default else Quota(**most))
    called, size, most_bytes, models, most_models, revisions, most_revisions = _usage_row(found)
    click.echo(
        f"{called}: {size} of {most_bytes}, {models} of {most_models} models,"
        f" {revisions} of {most_revisions} revisions"
    )


def _usage_row(one: Usage) -> tuple[object, ...]:
    most = one.quota
    shown = ["any" if value is None else value for value in (most.most_models, most.most_revisions)]
    return (
        one.owner or "(without an owner)",
        show_size(one.size_bytes),
        "any" if most.most_bytes is None else show_size(most.most_bytes),
        one.models,
        shown[0],
        one.revisions,
        shown[1],
    )


def _told(account: Account) -> str:
    names = {"": "(without an owner)", EVERY_OWNER: "(everything)"}
    return ", ".join(
        f"{role.value} {names.get(owner, owner)}" for owner, role in sorted(account.roles.items())
    )


def _as_json(account: Account) -> dict[str, object]:
    return {"name": account.name, "roles": account.roles, "created_at": account.created_at}
