"""`zoo restore`."""

import click

from zoo.commands.remote import at_option, opened_at


@click.command()
@click.argument("model")
@at_option
def command(*, model: str, url: str | None) -> None:
    """Take the deleted MODEL back, with all its revisions and refs."""
    with opened_at(url) as at:
        found = at.restore_model(model)
    click.echo(found.name)
