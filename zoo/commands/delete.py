"""`zoo delete`."""

import click

from zoo.commands.console import opened
from zoo.operations.models import delete_model


@click.command()
@click.argument("model")
def command(*, model: str) -> None:
    """Delete MODEL; until it is swept `zoo restore` takes it back.

    Refused while other models were made of it, or aliases and protected refs point into it.
    """
    with opened() as zoo:
        gone = delete_model(zoo, model)
        days = zoo.settings.grace_s / 86_400
    click.echo(f"{gone.name} is deleted")
    click.echo(f"  next: within {days:.3g} days `zoo restore {gone.name}` takes it back", err=True)
