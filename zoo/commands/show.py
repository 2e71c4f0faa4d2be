"""`zoo show`."""

from dataclasses import asdict

import click

from zoo.commands.console import (
    json_option,
    printable,
    show_accuracy,
    show_json,
    show_size,
    show_table,
)
from zoo.commands.remote import at_option, opened_at
from zoo.domain.config import CARD
from zoo.domain.layers import Inventory, LayerRow, Pair
from zoo.domain.revision import Revision
from zoo.operations.verbs import Verbs

# What can be done with a revision, by the ``runs`` of its summary.
RUNS = {
    "classifier": "as a classifier: predict, finetune",
    "dense": "as a dense network, on pictures of any size: heatmap, predict",
    "network": "as a network, but it is no classifier: export, verify",
    "stored": "not here: it is kept, shown and downloaded",
}


@click.command()
@click.argument("model")
@click.option("--files", "has_files", is_flag=True, help="List the files of the revision.")
@click.option("--card", "has_card", is_flag=True, help="Print the card.")
@click.option("--layers", "has_layers", is_flag=True, help="List the layers of its network.")
@click.option("--history", "has_history", is_flag=True, help="List revisions and moved refs.")
@at_option
@json_option
def command(
    *,
    model: str,
    url: str | None,
    has_files: bool,
    has_card: bool,
    has_layers: bool,
    has_history: bool,
    is_json: bool,
) -> None:
    """Show MODEL (name, name:ref or name@revision)."""
    with opened_at(url) as at:
        revision = at.get_revision(model)
        if has_layers:
            _show_layers(at.list_layers(revision), is_json=is_json)
        elif is_json:
            show_json(asdict(revision))
        elif has_card:
            click.echo(at.read_file(revision, CARD).decode())
        elif has_files:
            rows = [(file.path, show_size(file.size_bytes), file.digest) for file in revision.files]
            show_table(("PATH", "SIZE", "SHA256"), rows)
        elif has_history:
            _show_history(at, revision.model)
        else:
            _show(at, revision)


def _show(at: Verbs, revision: Revision) -> None:
    refs = at.get_model(revision.model).refs
    names = ", ".join(name for name, target in refs.items() if target == revision.id)
    lines = {
        "revision": f"{revision.address}" + (f"  ({names})" if names else ""),
        "published": f"{revision.created_at:%Y-%m-%d %H:%M} UTC",
        "message": revision.message,
        "parent": revision.parent,
        "dataset": revision.dataset,
        "accuracy": show_accuracy(revision.summary.get("accuracy")),
        "classes": revision.summary.get("classes"),
        "parameters": f"{revision.summary.get('parameters', 0):,}",
        "licence": revision.summary.get("license"),
        "runs": RUNS.get(revision.summary.get("runs", "")),
        "reason": revision.summary.get("reason"),
        "pictures": revision.summary.get("preprocessing"),
        "files": f"{len(revision.files)}, {show_size(revision.size_bytes)}",
    }
    for name, value in lines.items():
        if value:
            click.echo(printable(f"{name:<10}  {value}"))
    for note in revision.summary.get("notes", ()):
        click.echo(printable(f"{'note':<10}  {note}"))


def _show_history(at: Verbs, name: str) -> None:
    rows = [
        (revision.id[:12], f"{revision.created_at:%Y-%m-%d %H:%M}", revision.message)
        for revision in at.list_revisions(name)
    ]
    show_table(("REVISION", "PUBLISHED", "MESSAGE"), rows)
    for move in at.list_moves(name):
        click.echo(
            f"{move.at:%Y-%m-%d %H:%M}  {move.ref}: {_short(move.old)} -> {_short(move.new)}"
        )


def _show_layers(inventory: Inventory, *, is_json: bool) -> None:
    if is_json:
        show_json(inventory.as_json())
        return
    header = ("NAME", "KIND", "OUTPUT", "PARAMETERS", "MACS", "WINDOW", "STRIDE")
    total = ("total", "", "", inventory.parameters, inventory.macs, "", "")
    show_table(header, [*map(_layer_cells, inventory.rows), total])


def _layer_cells(row: LayerRow) -> tuple[object, ...]:
    shape = "-" if row.output is None else " x ".join(map(str, row.output)) or "1"
    window = ("-", "-")
    if row.window is not None:
        window = (_sides(row.window.window_px), _sides(row.window.stride_px))
    return (row.name, row.kind, shape, row.parameters, row.macs, *window)


def _sides(pixels: Pair) -> str:
    """Write a height and a width down, once where they are one."""
    height, width = pixels
    return str(height) if height == width else f"{height} x {width}"


def _short(identity: str | None) -> str:
    return identity[:12] if identity else "-"
