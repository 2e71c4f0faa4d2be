"""`zoo import`."""

from pathlib import Path
from typing import Any

import click

from zoo.commands.console import ProgressLine, json_option, opened, result_of, show_json
from zoo.domain.preprocessing import Channels, Resize
from zoo.operations.import_ import (
    ImportOptions,
    enqueue_import,
    name_of_package,
    prepare_import,
    read_label_file,
    stage_folder,
)


def _numbers(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:  # noqa: ANN401  # numbers, one, or nothing
    """Read one number or one per channel."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter("give one number, or one per channel: 104,117,123") from error
    return numbers if len(numbers) > 1 else numbers[0]


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="What the model is called; the folder's name otherwise.")
@click.option("--tag", help="A further ref for the revision, beside main.")
@click.option("--labels", type=click.Path(path_type=Path), help="File with one label a line.")
@click.option(
    "--channels", type=click.Choice([one.value for one in Channels]), help="Order of the channels."
)
@click.option("--mean", callback=_numbers, help="Mean per channel, in that order.")
@click.option("--std", callback=_numbers, help="Divisor per channel, after the mean.")
@click.option("--scale", type=float, help="Factor on 0..255, before the mean.")
@click.option(
    "--resize", type=click.Choice([one.value for one in Resize]), help="How the shape is treated."
)
@click.option("--resize-px", type=click.IntRange(1), help="Side to resize to, before the crop.")
@json_option
def command(
    *,
    folder: Path,
    name: str | None,
    tag: str | None,
    labels: Path | None,
    is_json: bool,
    **given: Any,  # noqa: ANN401  # the preprocessing options
) -> None:
    r"""Import the Caffe Model Zoo package in FOLDER.

    FOLDER holds deploy.prototxt, a .caffemodel (or .caffemodel.h5) and, if you have it, readme.md
    with front matter. What nothing states of the preprocessing is assumed by the kind of network
    and said so; the options above win over everything.

    \b
    Example:
      zoo import ./squeezenet_v1.0 --labels synset_words.txt
    """
    default_name, default_tag = name_of_package(folder)
    options = ImportOptions(
        name=name or default_name,
        tag=tag or (default_tag if name is None else None),
        labels=read_label_file(labels) if labels else None,
        preprocessing=_preprocessing(given),
    )
    # The job's process is started from here; torch stays out of this one.
    from zoo.worker.supervisor import run_job

    with opened() as zoo:
        prepared = prepare_import(zoo, stage_folder(zoo, folder), options)
        for note in prepared.notes:
            click.echo(f"note: {note}", err=True)
        job = enqueue_import(zoo, prepared)
        line = ProgressLine()
        result = result_of(run_job(zoo, job.id, line.event))
    if is_json:
        show_json({"model": prepared.name, "tag": prepared.tag, "job": job.id, **result})
        return
    shown = f"{prepared.name}:{prepared.tag}" if prepared.tag else prepared.name
    click.echo(
        f"imported {shown}  {result['classes']} classes  {result['parameters']:,} parameters\n"
        f"  {result['revision']}"
    )
    click.echo(f"  next: zoo finetune {prepared.name} FOLDER_OF_CLASS_FOLDERS", err=True)


def _preprocessing(given: dict[str, Any]) -> dict[str, Any] | None:
    """Collect the options that were given, as a readme would state them."""
    return {name: value for name, value in given.items() if value is not None} or None
