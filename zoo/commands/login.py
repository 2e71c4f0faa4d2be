"""`zoo login`."""

import click

from zoo.client.remote import Remote
from zoo.client.tokens import keep_token
from zoo.commands.remote import get_url, other_option


@click.command()
@other_option
@click.option("--token", help="The token; asked for, unseen, where it is not given.")
@click.option("--forget", "is_forgotten", is_flag=True, help="Forget the token of that zoo.")
def command(*, url: str | None, token: str | None, is_forgotten: bool) -> None:
    """Keep the token of another zoo for every verb that speaks to it, once it has been tried."""
    at = get_url(url)
    if is_forgotten:
        keep_token(at, None)
        click.echo(f"the token of {at} is forgotten")
        return
    secret = token or click.prompt("token", hide_input=True, err=True)
    with Remote(at, secret, is_named=True) as remote:
        told = remote.ask("GET", "/v1/whoami")
    path = keep_token(at, secret)
    click.echo(f"{told['account']} at {at}")
    click.echo(f"  kept in {path}", err=True)
