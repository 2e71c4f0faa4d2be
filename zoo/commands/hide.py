"""`zoo hide`."""

import click

from zoo.commands.console import opened
from zoo.operations.models import set_private


@click.command()
@click.argument("model")
@click.option("--public", "is_public", is_flag=True, help="Make it public again.")
def command(*, model: str, is_public: bool) -> None:
    """Make MODEL private: there only for those who have a role for its owner."""
    with opened() as zoo:
        found = set_private(zoo, model, is_private=not is_public)
    click.echo(f"{found.name} is {'private' if found.is_private else 'public'}")
