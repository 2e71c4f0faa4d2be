"""`zoo db`."""

import click

from zoo.commands.console import opened


@click.group()
def command() -> None:
    """Show the catalog's schema, or bring it up to date."""


@command.command()
def upgrade() -> None:
    """Bring the catalog's schema up to date; opening a zoo does the same."""
    with opened() as zoo:
        click.echo(f"schema {zoo.catalog.find_schema()}")


@command.command()
def current() -> None:
    """Show which migration the catalog stands at."""
    with opened() as zoo:
        click.echo(f"schema {zoo.catalog.find_schema()}  {zoo.catalog.shown_url}")
