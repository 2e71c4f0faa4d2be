"""`zoo refs`."""

import click

from zoo.commands.console import json_option, opened, show_json, show_table
from zoo.domain.revision import MAIN, RefKind
from zoo.operations import fetch, refs


@click.group()
def command() -> None:
    """List a model's branches, tags and aliases; set, protect and delete them."""


@command.command(name="list")
@click.argument("model")
@click.option("--moves", "has_moves", is_flag=True, help="Every move they made, the newest first.")
@json_option
def list_(*, model: str, has_moves: bool, is_json: bool) -> None:
    """List the refs of MODEL."""
    with opened() as zoo:
        found = refs.list_refs(zoo, model)
        moves = fetch.list_moves(zoo, model) if has_moves else []
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
@click.option("--at", default=MAIN, show_default=True, help="A ref or revision.")
def tag(*, model: str, name: str, at: str) -> None:
    """Give a revision of MODEL the tag NAME, which stays."""
    with opened() as zoo:
        revision = refs.add_ref(zoo, model, name, target=at, kind=RefKind.TAG)
    click.echo(revision.address)


@command.command()
@click.argument("model")
@click.argument("name")
@click.option("--at", default=MAIN, show_default=True, help="A ref or revision.")
@click.option("--expected", help="The revision it has to point to still.")
def alias(*, model: str, name: str, at: str, expected: str | None) -> None:
    r"""Point the alias NAME of MODEL to a revision.

    \b
    Example:
      zoo refs alias lab/net production --at v3
    """
    with opened() as zoo:
        revision = refs.move_alias(zoo, model, name, target=at, expected=expected)
    click.echo(revision.address)


@command.command()
@click.argument("model")
@click.argument("name")
@click.option("--off", "is_off", is_flag=True, help="Take the protection away.")
def protect(*, model: str, name: str, is_off: bool) -> None:
    """Have the ref NAME of MODEL moved and deleted by admins only."""
    with opened() as zoo:
        ref = refs.protect_ref(zoo, model, name, is_protected=not is_off)
    click.echo(f"{ref.name} is {'protected' if ref.is_protected else 'not protected'}")


@command.command()
@click.argument("model")
@click.argument("name")
def delete(*, model: str, name: str) -> None:
    """Delete the ref NAME of MODEL; its revision and its history stay."""
    with opened() as zoo:
        ref = refs.delete_ref(zoo, model, name)
    click.echo(f"{ref.name} pointed to {ref.revision}")
