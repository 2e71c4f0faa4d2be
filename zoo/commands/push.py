"""`zoo push`."""

import click

from zoo.client import transfer
from zoo.commands.console import ProgressLine, opened
from zoo.commands.remote import opened_remote, other_option


@click.command()
@click.argument("model")
@other_option
@click.option("--name", help="What it is called there.  [default: as here]")
@click.option("--ref", help="The branch there.  [default: as here]")
def command(*, model: str, url: str | None, name: str | None, ref: str | None) -> None:
    r"""Send MODEL (name, name:ref or name@revision) to another zoo, under the same id.

    What is there already is not sent. After an interruption the same command goes on where it
    stopped.

    \b
    Example:
      zoo push flowers --at http://zoo.example.org:8080 --name lab/flowers
    """
    line = ProgressLine()
    with opened() as zoo, opened_remote(url) as remote:
        address = transfer.push(
            zoo,
            remote,
            model,
            name=name,
            ref=ref,
            report=lambda done, total: line.count("push", "bytes", done, total),
        )
    line.close()
    click.echo(address)
