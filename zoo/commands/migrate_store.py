"""`zoo migrate-store`."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from zoo.commands.console import ProgressLine, opened, show_size
from zoo.operations.moving import move
from zoo.operations.opening import open_zoo
from zoo.settings import Settings, read_settings

TO_DATABASE = "ZOO_TO_DATABASE_URL"
HIDDEN = "***"


@click.command()
@click.option(
    "--to-database",
    metavar="URL",
    envvar=TO_DATABASE,
    help=f"SQLAlchemy URL of an empty database; {TO_DATABASE} keeps its password off the command"
    " line.",
)
@click.option("--to-store", metavar="STORE", help="A folder, or s3://BUCKET/PREFIX.")
@click.option("--to-endpoint", metavar="URL", help="Address of the S3 service of that store.")
@click.option("--to-region", metavar="REGION", help="Region of its bucket.")
@click.option(
    "--to-home",
    type=click.Path(path_type=Path),
    help="A home: SQLite and blobs/ in it, where nothing else is said.",
)
def command(
    *,
    to_database: str | None,
    to_store: str | None,
    to_endpoint: str | None,
    to_region: str | None,
    to_home: Path | None,
) -> None:
    r"""Move the zoo that the settings name to another database, another store, or both.

    What is not said stays as it is. Stop the servers and workers first. Every blob is held against
    its digest and every table against its rows; what is moved from is only read. A move that was
    stopped or killed goes on when the command is run again.

    \b
    Example:
      export ZOO_TO_DATABASE_URL=postgresql+psycopg://zoo:secret@db/zoo
      zoo migrate-store --to-store s3://models/zoo
      zoo migrate-store --to-database postgresql+psycopg://zoo@db/zoo --to-store s3://models/zoo
      zoo migrate-store --to-home /srv/zoo
    """
    if to_database is None and to_store is None and to_home is None:
        raise click.UsageError("Say where the zoo is to go: --to-database, --to-store, --to-home.")
    line = ProgressLine()
    with opened() as source:
        given = {
            "home": to_home,
            "database_url": to_database,
            "store": to_store,
            "store_endpoint": to_endpoint,
            "store_region": to_region,
        }
        settings = _settings(source.settings, given)
        with open_zoo(settings) as target:
            target.blobs.check()
            moved = move(
                source,
                target,
                report=lambda done, total: line.count("move", "bytes", done, total),
            )
            shown = target.catalog.shown_url
    line.close()
    there = f", {moved.blobs_there} were there" if moved.blobs_there else ""
    rows = "moved" if moved.has_moved_rows else "there"
    click.echo(f"{moved.blobs} blobs moved, {show_size(moved.size_bytes)}{there}")
    click.echo(f"{moved.rows} rows of {len(moved.tables)} tables {rows}: every one is the same")
    click.echo("  next:", err=True)
    for step in _next_steps(settings, shown):
        click.echo(f"    {step}", err=True)


def _next_steps(settings: Settings, shown_url: str) -> list[str]:
    """Give the variables by which the zoo is opened where it is now, as a shell reads them."""
    wanted = {
        "ZOO_HOME": str(settings.home),
        "ZOO_DATABASE_URL": shown_url,
        "ZOO_STORE": settings.store or str(settings.home / "blobs"),
    }
    if settings.store.startswith("s3:"):
        wanted |= {
            "ZOO_STORE_ENDPOINT": settings.store_endpoint,
            "ZOO_STORE_REGION": settings.store_region,
        }
    steps = [f"export {name}={shlex.quote(value)}" for name, value in wanted.items() if value]
    if HIDDEN in shown_url:
        steps.append(f"# {HIDDEN} in ZOO_DATABASE_URL stands for what is not shown: write it there")
    return steps


def _settings(source: Settings, given: Mapping[str, object]) -> Settings:
    """Give the settings of the zoo that it becomes."""
    wanted = {name: value for name, value in given.items() if value is not None}
    kept = {
        "home": source.home,
        # What S3 keeps is sent from where it lies: there is no use for copies.
        "store_cache_bytes": 0,
        "store_endpoint": source.store_endpoint,
        "store_region": source.store_region,
    }
    if "home" in wanted:
        kept |= {"database_url": "", "store": ""}
    else:
        kept |= {"database_url": source.database_url, "store": source.store}
    return read_settings(**(kept | wanted))
