"""`zoo lineage`."""

from dataclasses import asdict

import click

from zoo.commands.console import json_option, opened, printable, show_json
from zoo.domain.comparison import LineageNode
from zoo.operations.lineage import get_lineage


@click.command()
@click.argument("model")
@json_option
def command(*, model: str, is_json: bool) -> None:
    """Show what MODEL (name, name:ref or name@revision) was made of, and all that came of that."""
    with opened() as zoo:
        found = get_lineage(zoo, model)
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
