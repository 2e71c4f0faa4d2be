"""`zoo transfer-study`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, show_json, show_table
from zoo.commands.datasets import address_at
from zoo.commands.numbers import Finite
from zoo.commands.remote import at_option, opened_at
from zoo.filters.scheme import parse_scheme
from zoo.operations.measuring import TransferStudy


@click.command()
@click.argument("model")
@click.argument("dataset_a")
@click.argument("dataset_b")
@click.option("--epochs", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "--stages", type=click.IntRange(1), help="Take over this many at most; all otherwise."
)
@click.option(
    "--lr",
    "rate",
    type=Finite(0, 10, min_open=True),
    default=0.02,
    show_default=True,
    help="Highest learning rate.",
)
@click.option("--batch", type=click.IntRange(1, 4096), default=32, show_default=True)
@click.option(
    "--init",
    "text",
    metavar="SCHEME",
    default="he+lsuv",
    show_default=True,
    help="What networks begin as, as zoo create takes it.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder of the study.  [default: transfer-study-MODEL]",
)
@at_option
@json_option
def command(
    *,
    model: str,
    dataset_a: str,
    dataset_b: str,
    epochs: int,
    seeds: int,
    stages: int | None,
    rate: float,
    batch: int,
    text: str,
    output: Path | None,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Measure how far each layer of MODEL's network transfers from DATASET_A to DATASET_B.

    The experiment of Yosinski et al., 2014. The network of MODEL, not its weights, is trained on A
    and on B. Then its first 1, 2, 3 ... stages are taken over from either, the rest begins anew and
    is trained on B: frozen (AnB, BnB), trained on (AnB+, BnB+), and random and frozen. Where both
    datasets are the same one, its classes are divided at random, anew for each seed, as in the
    paper. The folder gets tables beside the paper's, a plot and JSON. A study that was interrupted
    goes on when the command is given again.

    \b
    Example:
      zoo transfer-study cifar10_full ./cifar10 ./cifar10 --seeds 3
    """
    study = TransferStudy(
        epochs=epochs,
        rate=rate,
        batch=batch,
        seeds=seeds,
        init=str(parse_scheme(text)),
        stages=stages,
    )
    line = ProgressLine()
    with opened_at(url) as at:
        addresses = (address_at(at, dataset_a, line), address_at(at, dataset_b, line))
        folder = output or Path(f"transfer-study-{model.replace('/', '-').partition('@')[0]}")
        told = at.study_transfer(model, addresses, study, folder, report=line.count)
    if is_json:
        show_json(told)
        return
    # It needs torch, and takes seconds to come.
    from zoo.worker.transfer_study import tell_accuracies

    head, rows, sentences = tell_accuracies(told)
    show_table([cell.upper() for cell in head], rows)
    for sentence in sentences:
        click.echo(f"  {sentence}")
    click.echo(f"  {folder}", err=True)
