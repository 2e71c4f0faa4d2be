"""`zoo open`."""

from urllib.parse import quote

import click

from zoo.commands.remote import opened_at
from zoo.domain.revision import split_address
from zoo.errors import ServerUnreachable
from zoo.settings import read_settings


@click.command()
@click.argument("model", required=False)
@click.option("--at", "url", metavar="URL", help="Address of the zoo.  [default: this machine's]")
@click.option("--print", "is_printed", is_flag=True, help="Print the address and open nothing.")
def command(*, model: str | None, url: str | None, is_printed: bool) -> None:
    """Open the page of MODEL (name, name:ref or name@revision), or the gallery, in the browser."""
    base = (url or _own_address()).rstrip("/")
    page = f"{base}/models/{quote(model, safe='/:@')}" if model else base
    with opened_at(base) as at:
        try:
            if not model:
                at.list_jobs()
            elif model == split_address(model)[0]:
                at.get_model(model)
            else:
                at.get_revision(model)
        except ServerUnreachable as error:
            if url is None:
                error.hint = "Start it, in another terminal: zoo serve"
            raise
    click.echo(page)
    if not is_printed and click.launch(page):
        click.echo("No browser could be started; open the address above.", err=True)


def _own_address() -> str:
    settings = read_settings()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
