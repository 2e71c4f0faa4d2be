"""`zoo create`."""

from pathlib import Path

import click

from zoo.commands.console import ProgressLine, json_option, opened, result_of, show_json
from zoo.commands.import_ import show_imported
from zoo.domain.checkpoint import Wishes
from zoo.operations.import_ import ImportOptions, enqueue_create, read_label_file


@click.command()
@click.argument("name")
@click.option("--arch", required=True, help="torchvision:NAME or timm:NAME.")
@click.option("--classes", type=click.IntRange(1, 10**6), help="Outputs; the library's otherwise.")
@click.option("--labels", type=click.Path(path_type=Path), help="File with one label a line.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@json_option
def command(
    *,
    name: str,
    arch: str,
    classes: int | None,
    labels: Path | None,
    seed: int,
    is_json: bool,
) -> None:
    r"""Create the model NAME: an architecture with weights drawn at random.

    The weights are those the library draws for a new network, the same ones for the same seed.

    \b
    Example:
      zoo create plain --arch torchvision:resnet18 --classes 10
    """
    # The job's process is started from here; torch stays out of this one.
    from zoo.worker.supervisor import run_job

    given = read_label_file(labels) if labels else None
    options = ImportOptions(name=name, wishes=Wishes(architecture=arch, labels=given))
    with opened() as zoo:
        count = classes or (len(given) if given else None)
        job = enqueue_create(zoo, options, classes=count, seed=seed)
        result = result_of(run_job(zoo, job.id, ProgressLine().event))
    if is_json:
        show_json({"model": name, "job": job.id, **result})
        return
    show_imported(options, result)
