"""`zoo surgery`."""

from pathlib import Path
from typing import Any

import click

from zoo.commands.console import ProgressLine, json_option, result_of, show_json
from zoo.commands.dense import show_operated, show_queued
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.surgery import Cut, FoldBatchNorm, ReplaceHead
from zoo.domain.terms import Terms
from zoo.operations.import_ import read_label_file
from zoo.operations.surgery import OWN_HEAD

name_option = click.option("--name", help="What the new model is called.")
detach_option = click.option(
    "-d", "--detach", is_flag=True, help="Queue the job and return its number."
)


@click.group()
def command() -> None:
    """Cut a network, replace its head, fold its batch normalisation."""


@command.command()
@click.argument("model")
@click.option("--layer", required=True, metavar="LAYER", help="The layer whose values are given.")
@name_option
@detach_option
@terms_options
@at_option
@json_option
def cut(
    *,
    model: str,
    layer: str,
    name: str | None,
    **more: Any,  # noqa: ANN401  # what all of them take
) -> None:
    r"""Publish MODEL up to a layer: a network that gives what the layer computes.

    Layers are called as `zoo show MODEL --layers` lists them. The new model is MODEL-LAYER unless
    --name says otherwise.

    \b
    Example:
      zoo surgery cut caffenet --layer fc7
    """
    _operate(model, Cut(at=layer), name=name, **more)


@command.command()
@click.argument("model")
@name_option
@detach_option
@terms_options
@at_option
@json_option
def fold(*, model: str, name: str | None, **more: Any) -> None:  # noqa: ANN401  # likewise
    r"""Publish MODEL with each batch normalisation folded into the weighted layer before it.

    The same function with fewer layers; how far rounding moves it is measured and told. The new
    model is MODEL-folded unless --name says otherwise.

    \b
    Example:
      zoo surgery fold resnet18
    """
    _operate(model, FoldBatchNorm(), name=name, **more)


@command.command("replace-head")
@click.argument("model")
@click.option("--classes", type=click.IntRange(1, 10**6), help="Classes of the new head.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="File with one label a line; the number of classes is theirs.",
)
@click.option("--layer", metavar="LAYER", help="The head, where it is not the network's last one.")
@click.option(
    "--also", metavar="LAYER", multiple=True, help="A further head, replaced too; again for more."
)
@name_option
@detach_option
@terms_options
@at_option
@json_option
def replace_head(
    *,
    model: str,
    classes: int | None,
    labels: Path | None,
    layer: str | None,
    also: tuple[str, ...],
    name: str | None,
    **more: Any,  # noqa: ANN401  # likewise
) -> None:
    r"""Publish MODEL with a new classifier, whose weights are 0, in the place of its own.

    The head is found by the network's graph: a fully connected layer, or a 1 x 1 convolution. With
    several, as in GoogLeNet, --layer names the main one and --also the others. The new model is
    MODEL-N-classes unless --name says otherwise.

    \b
    Examples:
      zoo surgery replace-head squeezenet --classes 20
      zoo surgery replace-head googlenet --labels breeds.txt --layer loss3/classifier
    """
    given = read_label_file(labels) if labels else None
    count = classes if classes is not None else len(given or ())
    if not count:
        raise click.UsageError("Say how many classes the new head has: --classes N")
    surgery = ReplaceHead(at=layer or OWN_HEAD, classes=count, also=also)
    _operate(model, surgery, name=name, labels=given, **more)


def _operate(
    model: str,
    surgery: Cut | FoldBatchNorm | ReplaceHead,
    *,
    name: str | None,
    detach: bool,
    terms: Terms,
    url: str | None,
    is_json: bool,
    labels: tuple[str, ...] | None = None,
) -> None:
    """Queue a surgery and, unless it is detached, run it and say what came of it."""
    with opened_at(url, terms) as at:
        job = at.enqueue_surgery(model, surgery, name=name, labels=labels)
        if detach:
            show_queued(job.id, is_json=is_json)
            return
        job = at.finish_job(job.id, ProgressLine().event)
        result = result_of(job)
    if is_json:
        show_json({"model": job.params["name"], "job": job.id, **result})
        return
    show_operated(job.params["name"], result)
    click.echo(f"  next: zoo show {job.params['name']} --layers", err=True)
