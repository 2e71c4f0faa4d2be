"""`zoo pull`."""

import click

from zoo.client import transfer
from zoo.commands.console import ProgressLine, opened
from zoo.commands.remote import opened_remote, other_option


@click.command()
@click.argument("model")
@other_option
@click.option("--name", help="What it is called here.  [default: as there]")
def command(*, model: str, url: str | None, name: str | None) -> None:
    r"""Fetch MODEL (name, name:ref or name@revision) from another zoo, under the same id.

    Every byte is held against its SHA-256. What is here already is not fetched. After an
    interruption the same command goes on where it stopped.

    \b
    Example:
      zoo pull lab/flowers:production --at http://zoo.example.org:8080
    """
    line = ProgressLine()
    with opened() as zoo, opened_remote(url) as remote:
        revision = transfer.pull(
            zoo,
            remote,
            model,
            name=name,
            report=lambda done, total: line.count("pull", "bytes", done, total),
        )
    line.close()
    click.echo(revision.address)
