"""`zoo rename`."""

import click

from zoo.commands.console import opened
from zoo.operations.models import rename_model


@click.command()
@click.argument("model")
@click.argument("new_name")
def command(*, model: str, new_name: str) -> None:
    """Give MODEL the name NEW_NAME; it is still found under the old one."""
    with opened() as zoo:
        renamed = rename_model(zoo, model, new_name)
    click.echo(renamed.name)
