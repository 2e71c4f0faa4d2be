"""`zoo rename`."""

import click

from zoo.commands.remote import at_option, opened_at


@click.command()
@click.argument("model")
@click.argument("new_name")
@at_option
def command(*, model: str, new_name: str, url: str | None) -> None:
    """Give MODEL the name NEW_NAME; it is still found under the old one."""
    with opened_at(url) as at:
        renamed = at.rename_model(model, new_name)
    click.echo(renamed.name)
