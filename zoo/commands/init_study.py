"""`zoo init-study`."""

import tempfile
from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, opened, show_json, show_table
from zoo.commands.datasets import address_of
from zoo.errors import Conflict, Invalid
from zoo.filters.scheme import Scheme, parse_scheme

DEFAULTS = (
    "library",
    "uniform-fan-in",
    "glorot",
    "he",
    "he+lsuv",
    "orthogonal+lsuv",
    "pca",
    "pca+lsuv",
    "2dpca",
    "2dpca+lsuv",
)


@click.command()
@click.argument("dataset")
@click.option(
    "--init",
    "texts",
    metavar="SCHEME",
    multiple=True,
    default=DEFAULTS,
    help=f"A scheme as zoo create takes it, once or more.  [default: {', '.join(DEFAULTS)}]",
)
@click.option("--epochs", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--size",
    type=click.IntRange(8, 128),
    default=16,
    show_default=True,
    help="Side in pixels that pictures are squeezed to.",
)
@click.option(
    "--train-pictures", type=click.IntRange(2), help="How many to train on; all otherwise."
)
@click.option(
    "--lr",
    "rate",
    type=click.FloatRange(0, 10, min_open=True),
    default=0.03,
    show_default=True,
    help="Learning rate.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write.  [default: init-study-DATASET]",
)
@json_option
def command(
    *,
    dataset: str,
    texts: tuple[str, ...],
    epochs: int,
    seeds: int,
    size: int,
    train_pictures: int | None,
    rate: float,
    output: Path | None,
    is_json: bool,
) -> None:
    r"""Compare how filters may begin: train a small network on DATASET from each scheme.

    DATASET is the name of a dataset, or a folder or archive, which is then added first. Three
    convolutions and one fully connected layer are trained in the same way but for their first
    numbers. The folder gets the accuracies by epoch on the validation pictures, over all seeds,
    and what activations and gradients are like before training: tables, a plot, and JSON.

    \b
    Example:
      zoo init-study ./digits --train-pictures 200 --init he --init he+lsuv
    """
    schemes = _read_schemes(texts)
    line = ProgressLine()
    with opened() as zoo:
        address = address_of(zoo, dataset, line)
        name = address.partition("@")[0].replace("/", "-")
        folder = output or Path(f"init-study-{name}")
        if folder.exists():
            raise Conflict(f"{folder} exists already.", hint="Name another folder: -o FOLDER")
        # It needs torch, and takes seconds to come.
        from zoo.worker.init_study import (
            StudyOptions,
            study_schemes,
            tell_accuracies,
            write_study,
        )

        options = StudyOptions(
            schemes=schemes,
            epochs=epochs,
            seeds=seeds,
            rate=rate,
            side_px=size,
            training_pictures=train_pictures,
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Everything is written beside the goal and then renamed: it is there whole or not at all.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zoo-init-study-") as work:
            told = study_schemes(zoo, address, options, line.count)
            part = Path(work) / "part"
            part.mkdir()
            write_study(told, part)
            part.rename(folder)
    if is_json:
        show_json(told)
        return
    head, rows = tell_accuracies(told)
    show_table([cell.upper() for cell in head], rows)
    click.echo(f"  {folder}", err=True)


def _read_schemes(texts: tuple[str, ...]) -> tuple[Scheme, ...]:
    """Read the schemes to compare, each once.

    Raises:
        Invalid: one cannot be read, or needs a prototxt, which the study's network has not.
    """
    schemes = tuple(dict.fromkeys(map(parse_scheme, texts)))
    if any(scheme.name == "prototxt" for scheme in schemes):
        raise Invalid(
            "The network of a study comes from no prototxt, so none states its fillers.",
            hint="Name the filler itself, as in --init gaussian:std=0.01.",
        )
    return schemes
