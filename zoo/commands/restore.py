"""`zoo restore`."""

import click

from zoo.commands.console import opened
from zoo.operations.models import restore_model


@click.command()
@click.argument("model")
def command(*, model: str) -> None:
    """Take the deleted MODEL back, with all its revisions and refs."""
    with opened() as zoo:
        found = restore_model(zoo, model)
    click.echo(found.name)
