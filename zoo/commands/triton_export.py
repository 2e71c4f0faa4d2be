"""`zoo triton-export`."""

from pathlib import Path

import click

from zoo.commands.console import opened
from zoo.operations.triton import write_triton

MOST_BATCH = 4096


@click.command()
@click.argument("model")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Triton's model repository: a folder of models, new or not.",
)
@click.option("--name", help="What Triton calls it; MODEL with - for / otherwise.")
@click.option(
    "--max-batch",
    type=click.IntRange(1, MOST_BATCH),
    default=32,
    show_default=True,
    help="Pictures that Triton may join, where the graph reads any number.",
)
def command(*, model: str, output: Path, name: str | None, max_batch: int) -> None:
    r"""Write MODEL into a model repository of Triton Inference Server.

    MODEL is a name, name:ref or name@revision. Its folder gets config.pbtxt with the graph's own
    inputs, outputs and sizes, labels.txt for the classification extension, and 1/model.onnx, which
    reads uint8 pictures that are resized and cropped. Nothing is overwritten.

    \b
    Example:
      zoo triton-export squeezenet-flowers -o /srv/triton
      tritonserver --model-repository /srv/triton
    """
    with opened() as zoo:
        goal = write_triton(zoo, model, output, name=name, max_batch=max_batch)
    for path in sorted(goal.rglob("*")):
        if path.is_file():
            click.echo(path)
