"""`zoo sweep`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, show_json, show_size
from zoo.commands.remote import at_option, opened_at


@click.command()
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would be removed.")
@at_option
@json_option
def command(*, is_dry: bool, url: str | None, is_json: bool) -> None:
    """Remove deleted models and bytes that nothing refers to, once they are older than ZOO_GRACE_S.

    Bytes of an upload that is under way are younger than that, so they stay. Logs of jobs that
    ended more than ZOO_LOG_DAYS ago go too, except where a revision of theirs is there.
    """
    with opened_at(url) as at:
        swept = at.sweep(is_dry=is_dry)
    if is_json:
        show_json(asdict(swept))
        return
    verb = "would be removed" if is_dry else "removed"
    for name in swept.models:
        click.echo(f"model {name} {verb}")
    click.echo(f"{len(swept.blobs)} blobs, {show_size(swept.size_bytes)}, {verb}")
