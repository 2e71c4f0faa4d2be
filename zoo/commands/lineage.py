"""`zoo lineage`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, printable, show_json
from zoo.commands.remote import at_option, opened_at
from zoo.domain.comparison import LineageNode


@click.command()
@click.argument("model")
@at_option
@json_option
def command(*, model: str, url: str | None, is_json: bool) -> None:
    """Show what MODEL (name, name:ref or name@revision) was made of, and all that came of that."""
    with opened_at(url) as at:
        found = at.get_lineage(model)
    if is_json:
        show_json(asdict(found))
        return
    _show(found.root, "", "", found.revision)
    if not found.is_whole:
        click.echo("There is more: the tree is cut.", err=True)


def _show(node: LineageNode, lead: str, below: str, asked: str) -> None:
    name, _, revision = node.address.partition("@")
    parts = [f"{name}@{revision[:12]}", node.message.partition("\n")[0]]
    if node.accuracy is not None:
        parts.append(f"accuracy {node.accuracy:.3f}")
    if node.changed_tensors is not None:
        parts.append(f"{node.changed_tensors} of {node.tensors} tensors differ")
    line = printable("  ".join(filter(None, parts)))
    click.secho(f"{lead}{line}", bold=node.address == asked)
    for number, child in enumerate(node.children, 1):
        is_last = number == len(node.children)
        corner, bar = ("`- ", "   ") if is_last else ("|- ", "|  ")
        _show(child, below + corner, below + bar, asked)
