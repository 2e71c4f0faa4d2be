"""What commands share that speak to another zoo."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from zoo.client.remote import Remote
from zoo.client.tokens import find_token
from zoo.settings import read_settings

at_option = click.option("--at", "url", help="Address of the other zoo.  [default: ZOO_URL]")


def get_url(url: str | None) -> str:
    """Give the address of the other zoo: the flag's, or the settings'.

    Raises:
        UsageError: neither tells one.
    """
    found = url or read_settings().url
    if not found:
        raise click.UsageError("Which zoo? Give --at URL, or set ZOO_URL.")
    return found


@contextmanager
def opened_remote(url: str | None) -> Iterator[Remote]:
    """Open the other zoo, with the token that `zoo login` kept or ZOO_TOKEN tells."""
    found = get_url(url)
    token = read_settings().token or find_token(found)
    with Remote(found, token) as remote:
        yield remote
