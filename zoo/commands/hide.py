"""`zoo hide`."""

import click

from zoo.commands.remote import at_option, opened_at


@click.command()
@click.argument("model")
@click.option("--public", "is_public", is_flag=True, help="Make it public again.")
@at_option
def command(*, model: str, is_public: bool, url: str | None) -> None:
    """Make MODEL private: there only for those who have a role for its owner."""
    with opened_at(url) as at:
        found = at.set_private(model, is_private=not is_public)
    click.echo(f"{found.name} is {'private' if found.is_private else 'public'}")
