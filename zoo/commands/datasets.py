"""`zoo datasets`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, opened, show_json, show_table
from zoo.domain.dataset import Dataset
from zoo.operations import datasets
from zoo.operations.opening import Zoo

SHOWN_SKIPPED = 10


@click.group()
def command() -> None:
    """Add, list and show datasets of labelled pictures."""


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What the dataset is called; the folder's name otherwise.")
@json_option
def add(*, path: Path, name: str | None, is_json: bool) -> None:
    """Add the folder of class folders at PATH, or a zip or tar of it.

    The folder may hold train/ and val/ (and test/), each with the class folders. Without them a
    fifth of each class is drawn for validation. Files that are no readable pictures are listed and
    left out.
    """
    line = ProgressLine()
    with opened() as zoo:
        dataset = datasets.add_dataset(
            zoo, path, name=name, report=lambda *far: line.count("read", "pictures", *far)
        )
    warn_of_skipped(dataset)
    if is_json:
        show_json(as_json(dataset))
        return
    _show(dataset)
    click.echo(f"  next: zoo finetune MODEL {dataset.name}", err=True)


@command.command("list")
@json_option
def list_(*, is_json: bool) -> None:
    """List all datasets."""
    with opened() as zoo:
        found = datasets.list_datasets(zoo)
    if is_json:
        show_json([{"name": one.name, "id": one.id, "counts": one.counts} for one in found])
        return
    rows = [
        (
            one.name,
            one.id[:12],
            len(one.classes),
            *(sum(one.counts.get(split, {}).values()) for split in ("train", "val")),
            one.skipped,
        )
        for one in found
    ]
    show_table(("NAME", "ID", "CLASSES", "TRAIN", "VAL", "SKIPPED"), rows)


@command.command()
@click.argument("name")
@json_option
def show(*, name: str, is_json: bool) -> None:
    """Show the dataset NAME (or NAME@ID): its classes, counts and skipped files."""
    with opened() as zoo:
        dataset = datasets.get_dataset(zoo, name)
    if is_json:
        show_json(as_json(dataset))
        return
    _show(dataset)
    for skipped in dataset.skipped:
        click.echo(f"skipped {skipped.path}: {skipped.reason}")


def warn_of_skipped(dataset: Dataset) -> None:
    """Name the files that were left out, on stderr."""
    for skipped in dataset.skipped[:SHOWN_SKIPPED]:
        click.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
    more = len(dataset.skipped) - SHOWN_SKIPPED
    if more > 0:
        click.echo(
            f"and {more} more files were skipped: zoo datasets show {dataset.name}", err=True
        )


def as_json(dataset: Dataset) -> dict[str, object]:
    """Write a dataset down without its pictures."""
    return {
        "name": dataset.name,
        "id": dataset.id,
        "classes": list(dataset.classes),
        "counts": dataset.counts(),
        "split_source": dataset.split_source,
        "skipped": [
            {"path": skipped.path, "reason": skipped.reason} for skipped in dataset.skipped
        ],
    }


def _show(dataset: Dataset) -> None:
    counts = dataset.counts()
    click.echo(f"{dataset.address}  (split {dataset.split_source})")
    rows = [
        (label, *(of_class[label] for of_class in counts.values())) for label in dataset.classes
    ]
    show_table(("CLASS", *(split.upper() for split in counts)), rows)


def address_of(zoo: Zoo, dataset: str, line: ProgressLine) -> str:
    """Give the address of a dataset; a path is added on the way."""
    path = Path(dataset)
    # No dataset can be called ./x or /x, so whoever writes that means a path, even a wrong one.
    if not path.exists() and not dataset.startswith((".", "/")):
        return datasets.get_dataset(zoo, dataset).address
    added = datasets.add_dataset(
        zoo, path, report=lambda *far: line.count("read", "pictures", *far)
    )
    warn_of_skipped(added)
    return added.address
