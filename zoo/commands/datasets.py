"""`zoo datasets`."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, opened, show_json, show_table
from zoo.domain.dataset import Dataset
from zoo.errors import Conflict
from zoo.operations import datasets, pack
from zoo.operations.opening import Zoo
from zoo.operations.pack import Kind

SHOWN_SKIPPED = 10


@click.group()
def command() -> None:
    """Add, list, show and export datasets of labelled pictures."""


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


@command.command()
@click.argument("name")
@click.option(
    "--format", "kind", type=click.Choice([kind.value for kind in Kind]), help="[default: zip]"
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; one that ends in .tar is a tar.  [default: NAME-ID.zip]",
)
def export(*, name: str, kind: str | None, output: Path | None) -> None:
    """Write the pictures of the dataset NAME (or NAME@ID) to a new zip or tar of class folders.

    The same dataset gives the same bytes; added again it is the same dataset.
    """
    is_tar = output is not None and output.suffix == ".tar"
    with opened() as zoo:
        packed = pack.pack_dataset(
            zoo, name, Kind(kind) if kind else Kind("tar" if is_tar else "zip")
        )
        path = output or Path(packed.file_name)
        write_new(path, packed.archive.read())
    click.echo(path)
    if not packed.is_faithful:
        click.echo(
            "  added again it will be another dataset: names had to be changed, or pictures that"
            " were left out gave its folders their meaning",
            err=True,
        )


def write_new(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file; it is there whole or not at all.

    Raises:
        Conflict: there is one.
    """
    if path.exists():
        raise Conflict(f"{path} exists already.", hint="Name another file: -o FILE")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".zoo-export-") as folder:
        part = Path(folder) / "part"
        with part.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        part.rename(path)


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
