"""`zoo diff`."""

from dataclasses import asdict
from itertools import groupby

import click

from zoo.commands.console import json_option, printable, show_json, show_size, show_table
from zoo.commands.remote import at_option, opened_at
from zoo.domain.comparison import Change, Comparison, FileChange, TensorChange

SHORTENED = 60  # letters of a value that are shown


@click.command()
@click.argument("old")
@click.argument("new")
@at_option
@json_option
def command(*, old: str, new: str, url: str | None, is_json: bool) -> None:
    r"""Say what differs between the revisions OLD and NEW: name, name:ref or name@revision.

    CHANGE is |new - old| / |old|, by the Euclidean norm; SHARE says of how many numbers the bits
    are others.

    \b
    Example:
      zoo diff squeezenet squeezenet-ants-and-bees
    """
    with opened_at(url) as at:
        found = at.compare(old, new)
        if is_json:
            told = asdict(found)
            show_json(told | {"old": found.old.address, "new": found.new.address})
            return
        click.echo(f"{found.old.address}\n{found.new.address}")
        _show_tensors(found)
        _show_values(found)
        if found.files:
            click.echo()
            show_table(("FILE", "", "SIZE"), [_file_cells(one) for one in found.files])


def _show_tensors(found: Comparison) -> None:
    click.echo()
    if found.tensors is None:
        click.echo("tensors are not compared: not both have weights that are read")
        return
    rows: list[tuple[object, ...]] = []
    for (stage, is_same), group in groupby(
        found.tensors, lambda one: (one.stage, one.change is Change.SAME)
    ):
        members = list(group)
        if is_same and len(members) > 1:
            rows.append((f"{stage}: {len(members)} tensors", "same", "", "", ""))
        else:
            rows += map(_tensor_cells, members)
    show_table(("TENSOR", "", "SHAPE", "CHANGE", "SHARE"), rows)
    click.echo(f"{found.changed} of {len(found.tensors)} tensors differ", err=True)


def _tensor_cells(one: TensorChange) -> tuple[object, ...]:
    told = f"renamed from {one.old_name}" if one.old_name else one.change.value
    old, new = (f"{each.kind} {_shape(each.shape)}" if each else "" for each in (one.old, one.new))
    shape = old if old == new or not new else new if not old else f"{old} -> {new}"
    is_measured = one.change in {Change.CHANGED, Change.RESHAPED}
    relative = "-" if one.relative is None else f"{one.relative:.3g}"
    share = "-" if one.changed_share is None else f"{100 * one.changed_share:.1f} %"
    return (one.name, told, shape, *((relative, share) if is_measured else ("", "")))


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _show_values(found: Comparison) -> None:
    if not found.values:
        return
    click.echo()
    rows = [(one.key, _shorten(one.old), _shorten(one.new)) for one in found.values]
    show_table(("VALUE", "OLD", "NEW"), rows)


def _shorten(value: object) -> str:
    text = "-" if value is None else printable(str(value))
    return text if len(text) <= SHORTENED else f"{text[: SHORTENED - 3]}..."


def _file_cells(one: FileChange) -> tuple[str, str, str]:
    old, new = (
        "" if size is None else show_size(size) for size in (one.old_size_bytes, one.new_size_bytes)
    )
    return (one.path, one.change.value, f"{old} -> {new}" if old and new else old or new)
