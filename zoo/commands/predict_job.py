"""`zoo predict --job`: the pictures of a dataset, by a job."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from zoo.commands.answers import STDOUT, Output
from zoo.commands.console import (
    ProgressLine,
    opened,
    result_of,
    show_accuracy,
    show_json,
    show_table,
)
from zoo.commands.datasets import address_of
from zoo.domain.dataset import Split
from zoo.operations.opening import Zoo
from zoo.operations.predictions import enqueue_predictions, get_predictions
from zoo.operations.unfinished import refuse_existing

SHOWN = 20  # classes


def run_as_job(model: str, dataset: str, split: Split | None, top: int, output: Output) -> None:
    """Queue the job, run it or follow it to its end, and show what the answers come to."""
    # The job's process is started from here.
    from zoo.worker.supervisor import run_job

    line = ProgressLine()
    with opened() as zoo:
        address = address_of(zoo, dataset, line)
        job = enqueue_predictions(zoo, model, address, split=split, top=top, form=output.form)
        told = result_of(run_job(zoo, job.id, line.event))
        line.close()
        if output.target is not None:
            copy_predictions(zoo, job.id, output.target)
    if output.is_json:
        show_json({"job": job.id, **told})
        return
    if output.target != STDOUT:
        _show(told)
    if output.target is None:
        click.echo(f"  next: zoo jobs predictions {job.id} -o {told['file']}", err=True)


def copy_predictions(zoo: Zoo, number: int, target: str) -> None:
    """Write the answers of a job to a file that is not there yet, or to stdout."""
    local = zoo.blobs.local_path(get_predictions(zoo, number).digest)
    if target == STDOUT:
        with local.open("rb") as answers:
            shutil.copyfileobj(answers, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    refuse_existing(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".zoo-") as folder:
        part = Path(folder) / "part"
        shutil.copyfile(local, part)
        part.rename(path)
    click.echo(f"  {path}", err=True)


def _show(told: dict[str, Any]) -> None:
    click.echo(f"{told['predicted']} predicted, {told['unreadable']} unreadable")
    if found := told["accuracy"]:
        right = f"{found['right']} of {found['total']} pictures"
        click.echo(f"accuracy {show_accuracy(found)} at 95 %, {right}")
    if unknown := told["unknown_to_the_model"]:
        click.echo(f"{unknown} are labelled as a class that it does not know")
    classes = list(told["classes"].items())
    show_table(("CLASS", "PICTURES"), classes[:SHOWN])
    if len(classes) > SHOWN:
        click.echo(f"and {len(classes) - SHOWN} more classes", err=True)
