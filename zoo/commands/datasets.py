"""`zoo datasets`."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    quiet_option,
    show_json,
    show_names,
    show_table,
)
from zoo.commands.here import Here
from zoo.commands.remote import at_option, opened_at
from zoo.domain.dataset import ArchiveKind, DatasetDescription
from zoo.errors import Conflict
from zoo.operations.opening import Zoo
from zoo.operations.verbs import Verbs

SHOWN_SKIPPED = 10


@click.group()
def command() -> None:
    """Add, list, show and export datasets of labelled pictures."""


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="What the dataset is called; the folder's name otherwise.")
@at_option
@json_option
def add(*, path: Path, name: str | None, url: str | None, is_json: bool) -> None:
    """Add the folder of class folders at PATH, or a zip or tar of it.

    The folder may hold train/ and val/ (and test/), each with the class folders. Without them a
    fifth of each class is drawn for validation. Files that are no readable pictures are listed and
    left out.
    """
    line = ProgressLine()
    with opened_at(url) as at:
        dataset = at.add_dataset(path, name=name, report=line.count)
    warn_of_skipped(dataset)
    if is_json:
        show_json(as_json(dataset))
        return
    _show(dataset)
    click.echo(f"  next: zoo finetune MODEL {dataset.name}", err=True)


@command.command("list")
@quiet_option
@at_option
@json_option
def list_(*, is_quiet: bool, url: str | None, is_json: bool) -> None:
    """List all datasets."""
    with opened_at(url) as at:
        found = at.list_datasets()
    if is_json:
        show_json([{"name": one.name, "id": one.id, "counts": one.counts} for one in found])
        return
    if is_quiet:
        show_names(f"{one.name}@{one.id}" for one in found)
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
@at_option
@json_option
def show(*, name: str, url: str | None, is_json: bool) -> None:
    """Show the dataset NAME (or NAME@ID): its classes, counts and skipped files."""
    with opened_at(url) as at:
        dataset = at.get_dataset(name)
    if is_json:
        show_json(as_json(dataset))
        return
    _show(dataset)
    for skipped in dataset.skipped:
        click.echo(f"skipped {skipped.path}: {skipped.reason}")


@command.command()
@click.argument("name")
@click.option(
    "--format",
    "kind",
    type=click.Choice([kind.value for kind in ArchiveKind]),
    help="[default: zip]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; one that ends in .tar is a tar.  [default: NAME-ID.zip]",
)
@at_option
def export(*, name: str, kind: str | None, output: Path | None, url: str | None) -> None:
    """Write the pictures of the dataset NAME (or NAME@ID) to a new zip or tar of class folders.

    The same dataset gives the same bytes; added again it is the same dataset.
    """
    is_tar = output is not None and output.suffix == ".tar"
    with opened_at(url) as at:
        packed = at.pack_dataset(
            name, ArchiveKind(kind) if kind else ArchiveKind("tar" if is_tar else "zip")
        )
        path = output or Path(packed.file_name)
        write_new(path, packed.read())
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


def warn_of_skipped(dataset: DatasetDescription) -> None:
    """Name the files that were left out, on stderr."""
    for skipped in dataset.skipped[:SHOWN_SKIPPED]:
        click.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
    more = len(dataset.skipped) - SHOWN_SKIPPED
    if more > 0:
        click.echo(
            f"and {more} more files were skipped: zoo datasets show {dataset.name}", err=True
        )


def as_json(dataset: DatasetDescription) -> dict[str, object]:
    """Write a dataset down without its pictures."""
    return {
        "name": dataset.name,
        "id": dataset.id,
        "classes": list(dataset.classes),
        "counts": dataset.counts,
        "split_source": dataset.split_source,
        "skipped": [
            {"path": skipped.path, "reason": skipped.reason} for skipped in dataset.skipped
        ],
    }


def _show(dataset: DatasetDescription) -> None:
    counts = dataset.counts
    click.echo(f"{dataset.address}  (split {dataset.split_source})")
    rows = [
        (label, *(of_class[label] for of_class in counts.values())) for label in dataset.classes
    ]
    show_table(("CLASS", *(split.upper() for split in counts)), rows)


def address_of(zoo: Zoo, dataset: str, line: ProgressLine) -> str:
    """Give the address of a dataset of this machine's zoo; a path is added on the way."""
    return address_at(Here(zoo), dataset, line)


def address_at(at: Verbs, dataset: str, line: ProgressLine) -> str:
    """Give the address of a dataset of some zoo; a path of this machine is added on the way."""
    path = Path(dataset)
    # No dataset can be called ./x or /x, so whoever writes that means a path, even a wrong one.
    if not path.exists() and not dataset.startswith((".", "/")):
        return at.get_dataset(dataset).address
    added = at.add_dataset(path, report=line.count)
    warn_of_skipped(added)
    return added.address
