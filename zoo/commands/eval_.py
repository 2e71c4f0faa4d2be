"""`zoo eval`."""

import tempfile
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    opened,
    show_accuracy,
    show_json,
    show_table,
)
from zoo.commands.datasets import address_of
from zoo.domain.dataset import Split
from zoo.errors import Conflict, NoHead, NotRunnable, Unsupported
from zoo.operations.evaluate import Evaluation, evaluate
from zoo.operations.evaluation_report import (
    draw_wrong,
    read_wrong,
    tell_evaluation,
    write_evaluation,
)
from zoo.operations.opening import Zoo

SPLITS = [split.value for split in Split]


@click.command()
@click.argument("model")
@click.argument("dataset")
@click.option("--split", type=click.Choice(SPLITS), default="val", show_default=True)
@click.option("--against", metavar="MODEL", help="Another model, compared on the same pictures.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder for tables and pictures."
)
@json_option
def command(
    *,
    model: str,
    dataset: str,
    split: str,
    against: str | None,
    output: Path | None,
    is_json: bool,
) -> None:
    r"""Measure MODEL on the pictures of DATASET, as it is served: by its ONNX graph.

    DATASET is the name of a dataset, or a folder or archive, which is then added first. Classes are
    matched by name; a model may know more of them. Intervals are 95 % (Wilson), the comparison of
    two models is McNemar's exact test. The folder gets all figures, the confusion matrix, the wrong
    pictures on a sheet, and what spoke for the wrong class (Grad-CAM).

    \b
    Examples:
      zoo eval squeezenet-ants-and-bees ants-and-bees -o report
      zoo eval squeezenet-flowers flowers --against alexnet-flowers
    """
    if output is not None and output.exists():
        raise Conflict(f"{output} exists already.", hint="Name another folder: -o FOLDER")
    line = ProgressLine()
    with opened() as zoo:
        address = address_of(zoo, dataset, line)
        found, other = (
            evaluate(
                zoo,
                name,
                address,
                Split(split),
                lambda done, total: line.count("predict", "pictures", done, total),
            )
            if name
            else None
            for name in (model, against)
        )
        assert found is not None
        told = tell_evaluation(found, other)
        if output is not None:
            _write(zoo, told, found, output)
    if is_json:
        show_json(told)
        return
    _show(told)
    if output is not None:
        click.echo(f"  {output}", err=True)


def _show(told: dict[str, Any]) -> None:
    accuracy = told["accuracy"]
    click.echo(
        f"{told['model'].partition('@')[0]}  accuracy {show_accuracy(accuracy)} at 95 %, "
        f"{accuracy['right']} of {accuracy['total']} {told['split']} pictures"
    )
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


def _write(zoo: Zoo, told: dict[str, Any], found: Evaluation, folder: Path) -> None:
    """Write the report beside its place and move it there: it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    files = write_evaluation(told, found)
    wrong, pixels = read_wrong(zoo, found)
    if wrong:
        files["wrong.png"] = draw_wrong(wrong, pixels)
        # It needs torch, and takes seconds to come.
        from zoo.worker.gradcam import explain_pictures

        try:
            laid_over = explain_pictures(zoo, found.model, pixels, [one.label for one in wrong])
            files["gradcam.png"] = draw_wrong(wrong, laid_over)
        except (NoHead, NotRunnable, Unsupported) as error:
            click.echo(f"  no gradcam.png: {error}", err=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".zoo-eval-") as work:
        part = Path(work) / "part"
        part.mkdir()
        for name, data in files.items():
            (part / name).write_bytes(data)
        part.rename(folder)
