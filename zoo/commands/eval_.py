"""`zoo eval`."""

from pathlib import Path
from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    show_accuracy,
    show_json,
    show_table,
)
from zoo.commands.datasets import address_at
from zoo.commands.remote import at_option, opened_at
from zoo.domain.dataset import Split
from zoo.domain.unequal import tell_unequal
from zoo.operations.written import refuse_folder, write_folder

SPLITS = [split.value for split in Split]


@click.command()
@click.argument("model")
@click.argument("dataset")
@click.option("--split", type=click.Choice(SPLITS), default="val", show_default=True)
@click.option("--against", metavar="MODEL", help="Another model, compared on the same pictures.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for tables and pictures."
)
@at_option
@json_option
def command(
    *,
    model: str,
    dataset: str,
    split: str,
    against: str | None,
    output: Path | None,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Measure MODEL on the pictures of DATASET, as it is served: by its ONNX graph.

    DATASET is the name of a dataset, or a folder or archive, which is then added first. Classes are
    matched by name; a model may know more of them. Intervals are 95 % (Wilson), the comparison of
    two models is McNemar's exact test. Of unequal classes the balanced accuracy is told, and what
    always saying the largest would have. The folder gets all figures, the confusion matrix, the
    wrong pictures on a sheet, and what spoke for the wrong class (Grad-CAM).

    \b
    Examples:
      zoo eval squeezenet-ants-and-bees ants-and-bees -o report
      zoo eval squeezenet-flowers flowers --against alexnet-flowers
    """
    if output is not None:
        refuse_folder(output)
    line = ProgressLine()
    with opened_at(url) as at:
        report = at.evaluate(
            model,
            address_at(at, dataset, line),
            split=Split(split),
            against=against,
            is_written=output is not None,
            report=line.count,
        )
    for note in report.notes:
        click.echo(f"  {note}", err=True)
    if output is not None:
        write_folder(output, report.files)
    if is_json:
        show_json(report.told)
        return
    _show(report.told)
    if output is not None:
        click.echo(f"  {output}", err=True)


def _show(told: dict[str, Any]) -> None:
    accuracy = told["accuracy"]
    click.echo(
        f"{told['model'].partition('@')[0]}  accuracy {show_accuracy(accuracy)} at 95 %, "
        f"{accuracy['right']} of {accuracy['total']} {told['split']} pictures"
    )
    if unequal := tell_unequal(told.get("unequal")):
        click.echo(f"  {unequal}")
    top5 = f"  top-5 {show_accuracy(told['top5'])}" if told["top5"] else ""
    click.echo(
        f"  log loss {told['log_loss']:.3f}"
        f"  calibration error {told['calibration_error']:.3f}{top5}"
    )
    rows = [
        [label, one["right"], one["total"], show_accuracy(one)]
        for label, one in told["per_class"].items()
    ]
    show_table(["CLASS", "RIGHT", "OF", "ACCURACY"], rows)
    if "comparison" in told:
        click.echo(told["comparison"]["told"])
