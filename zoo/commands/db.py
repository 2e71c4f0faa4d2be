"""`zoo db`."""

from pathlib import Path

import click

from zoo.commands.console import opened
from zoo.operations import backup as operations

SHOWN = 3


@click.group()
def command() -> None:
    """Show the catalog's schema, bring it up to date, back it up and restore it."""


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


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    r"""Write the catalog to FILE, which is not there yet, while others go on writing.

    The file holds everything but the bytes of models and pictures, which never change: copy the
    folder blobs/, or have the bucket copied, after the catalog. It is an SQLite database, also
    where the catalog is in PostgreSQL, and can be restored into either.

    \b
    Example:
      zoo db backup zoo-monday.backup && rsync -a ~/.zoo/blobs/ /backup/blobs/
    """
    with opened() as zoo:
        made = operations.back_up(zoo, file)
    click.echo(f"{file}: {made.rows} rows of {len(made.tables)} tables, schema {made.schema}")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", "replaces", is_flag=True, help="Delete what the catalog holds first.")
def restore(*, file: Path, replaces: bool) -> None:
    """Put the rows of the backup FILE into an empty catalog, all or none of them.

    Stop the servers first. Bytes are not part of a backup: those that the catalog names and the
    store lacks are told at the end.
    """
    with opened() as zoo:
        done = operations.restore(zoo, file, replaces=replaces)
    click.echo(f"{done.backup.rows} rows, as of {done.backup.made_at}")
    if done.missing:
        shown = ", ".join(done.missing[:SHOWN])
        click.echo(f"{len(done.missing)} blobs are not in the store: {shown} ...", err=True)
        click.echo("  next: put them back: zoo repair PATH...", err=True)
