"""`zoo quickstart`."""

import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    opened,
    result_of,
    show_accuracy,
    show_json,
)
from zoo.domain.dataset import Split
from zoo.domain.job import Job
from zoo.domain.prediction import Prediction
from zoo.operations.datasets import add_dataset, get_dataset
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.import_ import ImportOptions, enqueue_import, prepare_import, stage
from zoo.operations.opening import Zoo
from zoo.operations.predict import open_service, predict

MODEL, DATASET = "lenet-digits", "digits-5-9"
NEW_CLASSES = range(5, 10)
SHOWN = 5


@click.command()
@json_option
def command(*, is_json: bool) -> None:
    """Fine-tune a small model on real digits, from nothing.

    Imports the starter model, a LeNet that knows the handwritten digits 0 to 4, adds the digits 5
    to 9 (real ones, they come with scikit-learn) as a dataset, fine-tunes, exports and predicts.
    Everything is on this machine already.
    """
    line = ProgressLine()
    with opened() as zoo:
        _import_starter(zoo, line)
        dataset = _add_digits(zoo)
        result = _run(zoo, line, enqueue_finetune(zoo, MODEL, dataset))
        predictions = _predict_some(zoo, str(result["revision"]), dataset)
        home = zoo.settings.home
    if is_json:
        show_json(result)
        return
    accuracy = result["accuracy"]
    click.echo(
        f"{MODEL}-{DATASET}: accuracy {show_accuracy(accuracy)} at 95 %, "
        f"{accuracy['right']} of {accuracy['total']} digits it had not seen\n"
        f"  {result['revision']}"
    )
    for label, prediction in predictions:
        best = prediction.scores[0]
        click.echo(f"  a {label} is read as {best.label} with probability {best.probability:.3f}")
    click.echo(
        f"The zoo is in {home}. Next:\n"
        "  zoo list\n"
        f"  zoo show {MODEL}-{DATASET} --card\n"
        "  zoo serve        # then open http://127.0.0.1:8080 in a browser\n"
        "  zoo finetune MODEL FOLDER_OF_CLASS_FOLDERS"
    )


def _import_starter(zoo: Zoo, line: ProgressLine) -> None:
    """Import the starter package that is part of this installation."""
    with as_file(files("zoo") / "starter" / MODEL) as folder:
        prepared = prepare_import(zoo, stage(zoo, folder), ImportOptions(name=MODEL))
    _run(zoo, line, enqueue_import(zoo, prepared))


def _add_digits(zoo: Zoo) -> str:
    """Write the digits out as a folder of class folders and add it."""
    # scikit-learn takes a second to import.
    from zoo.training.digits import write_digits  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="zoo-digits-") as folder:
        write_digits(Path(folder), NEW_CLASSES)
        return add_dataset(zoo, Path(folder), name=DATASET).address


def _run(zoo: Zoo, line: ProgressLine, job: Job) -> dict[str, Any]:
    # The job's process is started from here; torch stays out of this one.
    from zoo.worker.supervisor import run_job

    return result_of(run_job(zoo, job.id, line.event))


def _predict_some(zoo: Zoo, model: str, dataset: str) -> list[tuple[str, Prediction]]:
    """Predict a validation picture of every class."""
    pictures = get_dataset(zoo, dataset).of_split(Split.VAL)
    chosen = list({picture.label: picture for picture in pictures}.values())[:SHOWN]
    paths = [(picture.path, zoo.blobs.local_path(picture.digest)) for picture in chosen]
    predictions = predict(zoo, open_service(zoo), model, paths)
    return list(zip([picture.label for picture in chosen], predictions, strict=True))
