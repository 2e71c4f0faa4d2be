"""`zoo audit`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, opened, show_json, show_table
from zoo.operations.access import list_audit


@click.command()
@click.option("--of", "subject", help="Only changes of this model, dataset, job or account.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def command(*, subject: str | None, limit: int, is_json: bool) -> None:
    """Say who changed what, the newest first."""
    with opened() as zoo:
        found = list_audit(zoo, subject=subject, limit=limit)
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
