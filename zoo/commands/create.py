"""`zoo create`."""

from pathlib import Path
from typing import Any

import click

from zoo.commands.console import ProgressLine, json_option, result_of, show_json
from zoo.commands.datasets import address_at
from zoo.commands.import_ import show_imported
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.terms import Terms
from zoo.filters.scheme import parse_scheme, tell_schemes
from zoo.operations.create import DEFAULT, CreateOptions, read_prototxt
from zoo.operations.import_ import ImportOptions, read_label_file

SCHEMES = "\n".join(f"      {name}: {told}" for name, told in tell_schemes())
HELP = f"""Create the model NAME: an architecture whose filters hold first numbers alone.

    On one machine the same command gives the same numbers, to the bit. Convolutions and fully
    connected layers are drawn, with biases of 0; batch normalisations, embeddings and scales stay
    as the library begins them. So it is with a network of Caffe, by its deploy.prototxt or
    train_val.prototxt.

    Why {DEFAULT}: He et al. keep the variance of what passes through ReLUs; LSUV then measures
    each layer's outputs and divides by their standard deviation, which mends what a formula does
    not see. On digits nothing we compared was better after 10 epochs (zoo init-study shows it on
    your pictures); directions found in pictures, pca and 2dpca, added nothing to it.

    \b
    SCHEME is NAME[:key=value,...][+lsuv]; lsuv alone is orthogonal+lsuv.
{SCHEMES}

    \b
    Examples:
      zoo create plain --arch torchvision:resnet18 --classes 10
      zoo create net --arch ./train_val.prototxt --init prototxt
      zoo create seen --arch timm:resnet18 --init 2dpca+lsuv --data ./ants-and-bees
"""


@click.command(help=HELP)
@click.argument("name")
@click.option("--arch", required=True, help="torchvision:NAME, timm:NAME, or FILE.prototxt.")
@click.option(
    "--init", metavar="SCHEME", default=DEFAULT, show_default=True, help="How filters begin."
)
@click.option(
    "--data",
    metavar="DATASET",
    help="Dataset, or folder, whose training pictures lsuv, pca and 2dpca look at; lsuv looks at"
    " noise otherwise.",
)
@click.option("--classes", type=click.IntRange(1, 10**6), help="Outputs; the library's otherwise.")
@click.option("--labels", type=click.Path(path_type=Path), help="File with one label a line.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@terms_options
@at_option
@json_option
def command(
    *,
    name: str,
    arch: str,
    init: str,
    data: str | None,
    classes: int | None,
    labels: Path | None,
    seed: int,
    terms: Terms,
    url: str | None,
    is_json: bool,
) -> None:
    """Create an untrained model."""
    parse_scheme(init)  # A wrong one is told before pictures are read.
    given = read_label_file(labels) if labels else None
    line = ProgressLine()
    with opened_at(url, terms) as at:
        options = CreateOptions(
            name=name,
            architecture=arch,
            init=init,
            seed=seed,
            data=address_at(at, data, line) if data else None,
            classes=_count(arch, classes, given),
            labels=given,
            prototxt=read_prototxt(arch),
        )
        job = at.enqueue_create(options)
        result = result_of(at.finish_job(job.id, line.event))
    if is_json:
        show_json({"model": name, "job": job.id, **result})
        return
    _show(name, result)


def _count(arch: str, classes: int | None, labels: tuple[str, ...] | None) -> int | None:
    """Let a library make as many outputs as there are labels."""
    is_library = ":" in arch and not arch.endswith(".prototxt")
    return len(labels) if classes is None and labels and is_library else classes


def _show(name: str, result: dict[str, Any]) -> None:
    begun = result["initialised"]
    for note in begun["notes"]:
        click.echo(f"note: {note}", err=True)
    seen = f", looking at {begun['looked_at']}" if begun["looked_at"] else ""
    click.echo(f"note: Filters begin by {begun['scheme']}, seed {begun['seed']}{seen}.", err=True)
    show_imported(ImportOptions(name=name), result)
