"""`zoo dense`."""

import json
import re
from typing import Any

import click

from zoo.commands.console import ProgressLine, json_option, result_of, show_json
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.config import DENSE
from zoo.domain.surgery import LONGEST_SIDE, Pads
from zoo.domain.terms import Terms
from zoo.operations.surgery import DenseOptions
from zoo.operations.verbs import Verbs

SIZE = re.compile(r"(\d{1,6})x(\d{1,6})", re.IGNORECASE)


def _sizes(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[int, int], ...]:
    """Read sizes such as 451x451: height, width."""
    found = [SIZE.fullmatch(text) for text in texts]
    if not all(found):
        raise click.BadParameter("give height and width in pixels: 451x451")
    return tuple((int(size[1]), int(size[2])) for size in found if size)


@click.command()
@click.argument("model")
@click.option("--name", help="What the new model is called; MODEL-dense otherwise.")
@click.option(
    "--pads",
    type=click.Choice([pads.value for pads in Pads]),
    default=Pads.KEEP.value,
    show_default=True,
    help="Whether there are cells that see the layers' padding.",
)
@click.option(
    "--border",
    metavar="PX",
    type=click.IntRange(0, LONGEST_SIDE),
    default=0,
    show_default=True,
    help="Zeros put around every picture.",
)
@click.option(
    "--check",
    metavar="HxW",
    multiple=True,
    callback=_sizes,
    help="A size to measure at instead of our own; again for more.",
)
@click.option("-d", "--detach", is_flag=True, help="Queue the job and return its number.")
@terms_options
@at_option
@json_option
def command(
    *,
    model: str,
    name: str | None,
    pads: str,
    border: int,
    check: tuple[tuple[int, int], ...],
    detach: bool,
    terms: Terms,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Have the classifier MODEL read pictures of any size: FC layers as convolutions.

    MODEL is a name, name:ref or name@revision of the zoo. The new model has the same numbers and
    gives, in every cell of a map, the probability of each class. What a cell sees, the smallest
    picture and the map's size are told; that it computes what MODEL does is measured, and kept in
    dense.json and the card. With --pads remove, cells that see padding are left out: each of the
    others is the network on its window alone.

    \b
    Examples:
      zoo dense caffenet
      zoo dense squeezenet --check 451x451 --check 375x500
      zoo dense alexnet --border 100 --name alexnet-fcn
    """
    options = DenseOptions(name=name, pads=Pads(pads), border_px=border, sizes_px=check)
    with opened_at(url, terms) as at:
        job = at.enqueue_dense(model, options)
        if detach:
            show_queued(job.id, is_json=is_json)
            return
        job = at.finish_job(job.id, ProgressLine().event)
        result = result_of(job)
        told = _read_told(at, str(result["revision"]))
    if is_json:
        show_json({"model": job.params["name"], "job": job.id, **result, **told})
        return
    show_operated(job.params["name"], result)
    for sentence in told["certificate"]["told"]:
        click.echo(f"  {sentence}")
    click.echo(f"  next: zoo heatmap {job.params['name']} PICTURE --label CLASS", err=True)


def show_queued(number: int, *, is_json: bool) -> None:
    """Say which job was queued."""
    show_json({"job": number}) if is_json else click.echo(number)
    click.echo(f"  next: zoo jobs show {number}", err=True)


def show_operated(name: str, result: dict[str, Any]) -> None:
    """Say what came of a surgery."""
    for note in result.get("notes", ()):
        click.echo(f"note: {note}", err=True)
    classes = f"  {result['classes']} classes" if result["classes"] else ""
    click.echo(f"{name}{classes}  {result['parameters']:,} parameters\n  {result['revision']}")


def _read_told(at: Verbs, address: str) -> dict[str, Any]:
    """Read what the new revision says of its maps."""
    told: dict[str, Any] = json.loads(at.read_file(at.get_revision(address), DENSE))
    return told
