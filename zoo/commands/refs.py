"""`zoo refs`."""

import click

from zoo.commands.console import json_option, quiet_option, show_json, show_names, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.domain.revision import MAIN


@click.group()
def command() -> None:
    """List a model's branches, tags and aliases; set, protect and delete them."""


@command.command(name="list")
@click.argument("model")
@click.option("--moves", "has_moves", is_flag=True, help="Every move they made, the newest first.")
@quiet_option
@at_option
@json_option
def list_(*, model: str, has_moves: bool, is_quiet: bool, url: str | None, is_json: bool) -> None:
    """List the refs of MODEL."""
    with opened_at(url) as at:
        found = at.list_refs(model)
        moves = at.list_moves(model) if has_moves else []
    if is_json:
        told = [
            {
                "name": ref.name,
                "kind": ref.kind,
                "revision": ref.revision,
                "is_protected": ref.is_protected,
            }
            for ref in found
        ]
        made = [{"ref": one.ref, "old": one.old, "new": one.new, "at": one.at} for one in moves]
        show_json({"refs": told, "moves": made})
    elif is_quiet:
        show_names(ref.name for ref in found)
    elif has_moves:
        rows = [
            (f"{one.at:%Y-%m-%d %H:%M:%S}", one.ref, one.old or "", one.new or "") for one in moves
        ]
        show_table(("WHEN", "REF", "FROM", "TO"), rows)
    else:
        rows = [
            (ref.name, ref.kind.value, ref.revision, "protected" if ref.is_protected else "")
            for ref in found
        ]
        show_table(("REF", "KIND", "REVISION", ""), rows)


@command.command()
@click.argument("model")
@click.argument("name")
@click.option("--to", default=MAIN, show_default=True, help="A ref or revision.")
@at_option
def tag(*, model: str, name: str, to: str, url: str | None) -> None:
    """Give a revision of MODEL the tag NAME, which stays."""
    with opened_at(url) as at:
        revision = at.add_tag(model, name, target=to)
    click.echo(revision.address)


@command.command()
@click.argument("model")
@click.argument("name")
@click.option("--to", default=MAIN, show_default=True, help="A ref or revision.")
@click.option("--expected", help="The revision it has to point to still.")
@at_option
def alias(*, model: str, name: str, to: str, expected: str | None, url: str | None) -> None:
    r"""Point the alias NAME of MODEL to a revision.

    \b
    Example:
      zoo refs alias lab/net production --to v3
    """
    with opened_at(url) as at:
        revision = at.move_alias(model, name, target=to, expected=expected)
    click.echo(revision.address)


@command.command()
@click.argument("model")
@click.argument("name")
@click.option("--off", "is_off", is_flag=True, help="Take the protection away.")
@at_option
def protect(*, model: str, name: str, is_off: bool, url: str | None) -> None:
    """Have the ref NAME of MODEL moved and deleted by admins only."""
    with opened_at(url) as at:
        ref = at.protect_ref(model, name, is_protected=not is_off)
    click.echo(f"{ref.name} is {'protected' if ref.is_protected else 'not protected'}")


@command.command()
@click.argument("model")
@click.argument("name")
@at_option
def delete(*, model: str, name: str, url: str | None) -> None:
    """Delete the ref NAME of MODEL; its revision and its history stay."""
    with opened_at(url) as at:
        ref = at.delete_ref(model, name)
    click.echo(f"{ref.name} pointed to {ref.revision}")
