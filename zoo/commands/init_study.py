"""`zoo init-study`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, show_json, show_table
from zoo.commands.datasets import address_at
from zoo.commands.numbers import Finite
from zoo.commands.remote import at_option, opened_at
from zoo.operations.measuring import InitStudy, check_schemes
from zoo.operations.written import making_folder

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
    type=Finite(0, 10, min_open=True),
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
@at_option
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
    url: str | None,
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
    study = InitStudy(
        schemes=check_schemes(texts),  # A wrong one is told before pictures are read.
        epochs=epochs,
        seeds=seeds,
        rate=rate,
        side_px=size,
        training_pictures=train_pictures,
    )
    line = ProgressLine()
    with opened_at(url) as at:
        address = address_at(at, dataset, line)
        name = address.partition("@")[0].replace("/", "-")
        folder = output or Path(f"init-study-{name}")
        with making_folder(folder) as part:
            told = at.study_init(address, study, part, report=line.count)
    if is_json:
        show_json(told)
        return
    # It needs torch, and takes seconds to come.
    from zoo.worker.init_study import tell_accuracies

    head, rows = tell_accuracies(told)
    show_table([cell.upper() for cell in head], rows)
    click.echo(f"  {folder}", err=True)
