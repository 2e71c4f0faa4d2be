"""Which zoo a command speaks to: the one of this machine, or another one.

One rule for every verb: with ``--at URL`` it is done in the zoo at that address, without it in the
zoo of ZOO_HOME. ZOO_URL is the other zoo of those verbs that always speak to one (push, pull,
login); it never turns a verb away from the zoo at home.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from zoo.client.tokens import find_token
from zoo.commands.console import opened
from zoo.commands.here import Here
from zoo.domain.resources import Needs
from zoo.domain.terms import Terms
from zoo.operations.verbs import Verbs
from zoo.settings import Settings, read_settings

if TYPE_CHECKING:
    from zoo.client.remote import Remote

PLAIN = Terms()

at_option = click.option(
    "--at", "url", metavar="URL", help="Address of another zoo, in which it is done."
)
other_option = click.option("--at", "url", help="Address of the other zoo.  [default: ZOO_URL]")


@contextmanager
def opened_at(url: str | None, terms: Terms = PLAIN) -> Iterator[Verbs]:
    """Open the zoo at an address, or, where none is given, the one that the settings name.

    Jobs that are asked for there are queued on these terms.
    """
    if url is None:
        with opened() as zoo:
            _warn_of_room(zoo.settings, terms)
            yield Here(replace(zoo, terms=terms))
    else:
        from zoo.client.there import There  # noqa: PLC0415  # as below

        with opened_remote(url, is_named=False) as remote:
            yield There(remote, terms)


def _warn_of_room(settings: Settings, terms: Terms) -> None:
    """Say that the workers of this machine will not take what a command is about to queue."""
    if terms.needs == Needs() or settings.engine == "ray":
        return
    from zoo.operations.room import find_room  # noqa: PLC0415  # for these commands alone

    for lacking in find_room(settings).find_lacking(terms.needs):
        click.echo(
            f"note: no worker of this machine will take a job that asks for {lacking}.", err=True
        )


@contextmanager
def opened_remote(url: str | None, *, is_named: bool = True) -> "Iterator[Remote]":
    """Open another zoo; its errors begin with its address where a command speaks to two."""
    # The zoo at home does without an HTTP client.
    from zoo.client.remote import Remote  # noqa: PLC0415

    found = get_url(url)
    with Remote(found, _find_token(read_settings(), found), is_named=is_named) as remote:
        yield remote


def get_url(url: str | None) -> str:
    """Give the address of the other zoo: the flag's, or the settings'.

    Raises:
        UsageError: neither tells one.
    """
    found = url or read_settings().url
    if not found:
        raise click.UsageError("Which zoo? Give --at URL, or set ZOO_URL.")
    return found


def _find_token(settings: Settings, url: str) -> str | None:
    """Give the token that ZOO_TOKEN tells, or the one that `zoo login` kept for an address.

    Where ZOO_URL is set, ZOO_TOKEN is for that zoo and is shown to no other.
    """
    is_meant = not settings.url or settings.url.rstrip("/") == url.rstrip("/")
    return (settings.token if is_meant else "") or find_token(url)
