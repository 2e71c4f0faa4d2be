"""`zoo audit`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, show_json, show_table
from zoo.commands.remote import at_option, opened_at


@click.command()
@click.option("--of", "subject", help="Only changes of this model, dataset, job or account.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@at_option
@json_option
def command(*, subject: str | None, limit: int, url: str | None, is_json: bool) -> None:
    """Say who changed what, the newest first."""
    with opened_at(url) as at:
        found = at.list_audit(subject=subject, limit=limit)
    if is_json:
        show_json([asdict(entry) for entry in found])
        return
    rows = [
        (
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.account,
            entry.action,
            entry.subject,
            ", ".join(f"{name}={value}" for name, value in entry.detail.items() if value),
        )
        for entry in found
    ]
    show_table(("WHEN", "WHO", "DID", "TO", "DETAIL"), rows)
