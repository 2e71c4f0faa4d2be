"""`zoo list`."""

import click

from zoo.commands.console import (
    json_option,
    show_accuracy,
    show_json,
    show_size,
    show_table,
)
from zoo.commands.remote import at_option, opened_at
from zoo.domain.revision import Model

MOST = 1000


@click.command("list")
@at_option
@json_option
def command(*, url: str | None, is_json: bool) -> None:
    """List the models of the zoo, by name."""
    with opened_at(url) as at:
        models = at.list_models(limit=MOST)
    if is_json:
        show_json([_as_json(model) for model in models])
        return
    rows = [_row(model) for model in models]
    show_table(("NAME", "REVISION", "CLASSES", "PARAMS", "SIZE", "ACCURACY", "PARENT"), rows)
    if not models and url is None:
        click.echo("  next: zoo quickstart", err=True)


def _as_json(model: Model) -> dict[str, object]:
    head = model.head
    return {
        "name": model.name,
        "refs": model.refs,
        "revision": head.id if head else None,
        "summary": head.summary if head else {},
        "size_bytes": head.size_bytes if head else 0,
    }


def _row(model: Model) -> tuple[object, ...]:
    if model.head is None:
        return (model.name, "", "", "", "", "", "")
    head = model.head
    return (
        model.name,
        head.id[:12],
        head.summary.get("classes", ""),
        f"{head.summary.get('parameters', 0):,}",
        show_size(head.size_bytes),
        show_accuracy(head.summary.get("accuracy")),
        (head.parent or "").partition("@")[0],
    )
