"""`zoo delete`."""

import click

from zoo.commands.remote import at_option, opened_at


@click.command()
@click.argument("model")
@at_option
def command(*, model: str, url: str | None) -> None:
    """Delete MODEL; until it is swept `zoo restore` takes it back.

    Refused while other models were made of it, or aliases and protected refs point into it.
    """
    with opened_at(url) as at:
        gone = at.delete_model(model)
    click.echo(f"{gone.name} is deleted")
    click.echo(f"  next: until it is swept `zoo restore {gone.name}` takes it back", err=True)
