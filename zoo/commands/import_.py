"""`zoo import`."""

import re
from pathlib import Path
from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    printable,
    result_of,
    show_accuracy,
    show_json,
)
from zoo.commands.datasets import address_at
from zoo.commands.remote import at_option, opened_at
from zoo.domain.checkpoint import Wishes
from zoo.domain.preprocessing import Channels, Interpolation, Resize
from zoo.domain.revision import derive_name
from zoo.errors import Invalid
from zoo.operations import hub
from zoo.operations.import_ import (
    Begun,
    ImportOptions,
    list_package,
    name_of_package,
    read_label_file,
)

BY_NAME = re.compile(r"(torchvision|timm):(.*)")


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
@click.argument("source")
@click.option("--name", help="What the model is called; the source's name otherwise.")
@click.option("--tag", help="A further ref for the revision, beside main.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="File of the weights, with an architecture."
)
@click.option("--arch", help="What network the weights are of: torchvision:NAME or timm:NAME.")
@click.option("--labels", type=click.Path(path_type=Path), help="File with one label a line.")
@click.option("--check", metavar="DATASET", help="Measure the accuracy on it right away.")
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
@click.option(
    "--interpolation",
    type=click.Choice([one.value for one in Interpolation]),
    help="How pixels between pixels are found.",
)
@at_option
@json_option
def command(
    *,
    source: str,
    name: str | None,
    tag: str | None,
    weights: Path | None,
    arch: str | None,
    labels: Path | None,
    check: str | None,
    url: str | None,
    is_json: bool,
    **given: Any,  # noqa: ANN401  # the preprocessing options
) -> None:
    r"""Import the checkpoint in SOURCE; nothing of it is executed.

    SOURCE is a folder or a file: a Caffe package (deploy.prototxt, .caffemodel, readme.md) or a
    lone .caffemodel, an ONNX graph, weights of PyTorch or safetensors, a model of timm or
    transformers with its config.json, or one of another zoo. Or it is torchvision:NAME or
    timm:NAME with --weights, or hub:owner/name[@revision]. What nothing states of the
    preprocessing is assumed by the kind of network and said so; the options win over everything.

    \b
    Examples:
      zoo import ./squeezenet_v1.0 --labels synset_words.txt
      zoo import torchvision:resnet18 --weights resnet18.pth
      zoo import hub:timm/resnet18.a1_in1k --check ./pictures
    """
    wishes = Wishes(
        architecture=_architecture(source, arch),
        preprocessing={key: value for key, value in given.items() if value is not None} or None,
        labels=read_label_file(labels) if labels else None,
    )
    line = ProgressLine()
    with opened_at(url) as at:
        default_name, default_tag = _names(source, weights)
        options = ImportOptions(
            name=name or default_name,
            tag=tag or (default_tag if name is None else None),
            wishes=wishes,
            check=address_at(at, check, line) if check else None,
        )
        begun = at.begin_import(_find(source, weights), options, report=line.count)
        for note in begun.notes:
            click.echo(printable(f"note: {note}"), err=True)
        if begun.job is None:
            _show_stored(options.name, begun, is_json=is_json)
            return
        number = begun.job.id
        result = result_of(at.finish_job(number, line.event))
    if is_json:
        show_json({"model": options.name, "tag": options.tag, "job": number, **result})
        return
    show_imported(options, result)


def show_imported(options: ImportOptions, result: dict[str, Any]) -> None:
    """Say what was imported, and what can be done with it."""
    for note in result.get("notes", ()):
        click.echo(f"note: {note}", err=True)
    if "assumed" in (result.get("preprocessing") or ""):
        click.echo(f"note: Preprocessing {result['preprocessing']}.", err=True)
    shown = f"{options.name}:{options.tag}" if options.tag else options.name
    accuracy = f"  accuracy {show_accuracy(acc)}" if (acc := result.get("accuracy")) else ""
    click.echo(
        f"imported {shown}  {result['classes']} classes  {result['parameters']:,} parameters"
        f"{accuracy}\n  {result['revision']}"
    )
    step = (
        f"zoo finetune {options.name} FOLDER_OF_CLASS_FOLDERS"
        if result["classes"]
        else f"zoo show {options.name}"
    )
    click.echo(f"  next: {step}", err=True)


def _show_stored(name: str, begun: Begun, *, is_json: bool) -> None:
    """Say what was stored, and why it cannot be run."""
    revision = begun.revision
    assert revision is not None
    if is_json:
        show_json({"model": name, "revision": revision.address, **revision.summary})
        return
    click.echo(f"stored {name}, not runnable  {begun.parameters:,} parameters")
    click.echo(f"  {revision.address}")
    click.echo(printable(f"note: {begun.reason}"), err=True)
    click.echo(f"  next: zoo show {name} --files", err=True)


def _architecture(source: str, arch: str | None) -> str | None:
    if not BY_NAME.fullmatch(source):
        return arch
    if arch is not None:
        raise click.UsageError("The source names the architecture already; leave --arch out.")
    return source


def _names(source: str, weights: Path | None) -> tuple[str, str | None]:
    """Derive model name and tag from the source."""
    if source.startswith(hub.PREFIX):
        return hub.read_repository(source.removeprefix(hub.PREFIX)).model, None
    if found := BY_NAME.fullmatch(source):
        if weights is None:
            raise Invalid(
                f"{source} names an architecture without weights.",
                hint="Give them with --weights FILE, or draw them at random: zoo create NAME"
                f" --arch {source}",
            )
        return derive_name(found[2], otherwise="model"), None
    return name_of_package(Path(source))


def _find(source: str, weights: Path | None) -> dict[str, Path]:
    """Find the files that make up the checkpoint."""
    beside = list_package(weights) if weights else {}
    if source.startswith(hub.PREFIX):
        repository = hub.read_repository(source.removeprefix(hub.PREFIX))
        return list_package(hub.fetch_repository(repository)) | beside
    if BY_NAME.fullmatch(source):
        return beside
    return list_package(Path(source)) | beside
