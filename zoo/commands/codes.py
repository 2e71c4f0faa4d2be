"""`zoo codes`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, show_json, show_table
from zoo.commands.datasets import address_at
from zoo.commands.remote import at_option, opened_at
from zoo.domain.dataset import Split
from zoo.errors import Conflict
from zoo.operations.written import write_whole

SPLITS = [split.value for split in Split]


@click.command()
@click.argument("model")
@click.argument("dataset")
@click.option("--layer", "layers", metavar="NAME", multiple=True, help="A layer, once or more.")
@click.option("--all", "is_all", is_flag=True, help="Layers along the whole depth.")
@click.option("--split", "splits", type=click.Choice(SPLITS), multiple=True, help="All otherwise.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The .npz file to write."
)
@at_option
@json_option
def command(
    *,
    model: str,
    dataset: str,
    layers: tuple[str, ...],
    is_all: bool,
    splits: tuple[str, ...],
    output: Path,
    url: str | None,
    is_json: bool,
) -> None:
    r"""Write the codes of DATASET's pictures at a layer of MODEL to a file of NumPy arrays.

    Codes are averages over a layer's map, as the layer gives them; without --layer they are what
    the classifier reads, after the ReLU. DATASET is the name of a dataset, or a folder or archive,
    which is then added first. Beside the codes lie labels, classes, paths, digests and splits.

    \b
    Examples:
      zoo codes squeezenet ants-and-bees -o codes.npz
      zoo codes squeezenet ants-and-bees --layer fire8/concat -o fire8.npz
    """
    if is_all and layers:
        raise click.UsageError("Give --layer or --all, not both.")
    if output.exists():
        raise Conflict(f"{output} exists already.", hint="Name another file: -o FILE")
    line = ProgressLine()
    with opened_at(url) as at:
        data, taps = at.take_codes(
            model,
            address_at(at, dataset, line),
            layers=layers,
            is_all=is_all,
            splits=[Split(split) for split in splits or SPLITS],
            report=line.count,
        )
    write_whole(output, data)
    if is_json:
        show_json({"file": str(output), "layers": [{"layer": t, "codes": n} for t, n in taps]})
        return
    show_table(("LAYER", "CODES"), taps)
    click.echo(f"  {output}", err=True)
