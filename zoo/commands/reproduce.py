"""`zoo reproduce`."""

import click

from zoo.commands.console import ProgressLine, json_option, opened, result_of, show_json
from zoo.errors import VerificationFailed
from zoo.operations.reproduce import compare_repetition, enqueue_reproduce


@click.command()
@click.argument("model")
@click.option("--name", help="What the repetition is called; MODEL-again otherwise.")
@json_option
def command(*, model: str, name: str | None, is_json: bool) -> None:
    r"""Run the fine-tune that MODEL came of once more, and compare.

    MODEL is a name, name:ref or name@revision. Parent, pictures, strategy, seed and options are
    those its training.json tells. On the same machine and versions the weights are the same to the
    bit; elsewhere the largest difference is told, and which versions differ. Exits with 6 if
    another number of validation pictures is right.

    \b
    Example:
      zoo reproduce squeezenet-ants-and-bees
    """
    # The job's process is started from here; torch stays out of this one.
    from zoo.worker.supervisor import run_job

    with opened() as zoo:
        line = ProgressLine()
        job, first = enqueue_reproduce(zoo, model, name=name)
        result_of(run_job(zoo, job.id, line.event))
        found = compare_repetition(zoo, first, job.params["name"])
    if is_json:
        show_json(found.as_json())
    else:
        click.echo(f"first   {found.first}  accuracy {found.accuracies[0]:.3f}")
        click.echo(f"second  {found.second}  accuracy {found.accuracies[1]:.3f}")
        click.echo(f"  {found.equal} of {found.tensors} tensors are equal to the bit")
        if found.equal < found.tensors:
            click.echo(
                f"  largest difference: {found.largest_difference:.1e} of the largest number"
            )
        for package, (before, now) in found.versions.items():
            click.echo(f"  {package}: {before}, now {now}")
    if not found.is_same:
        raise VerificationFailed(
            f"{found.first} was not reproduced: {found.rights[0]} validation pictures were right, "
            f"now {found.rights[1]}.",
            hint="Compare versions, machine and device; both revisions are kept.",
            first=found.first,
            second=found.second,
        )
