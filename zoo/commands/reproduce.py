"""`zoo reproduce`."""

from typing import TYPE_CHECKING

import click

from zoo.commands.console import ProgressLine, json_option, result_of, show_json
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.terms import Terms
from zoo.errors import VerificationFailed

if TYPE_CHECKING:
    from zoo.operations.reproduce import Repetition

REPLANNED = "the planning changed between versions; this is no test of the arithmetic"


@click.command()
@click.argument("model")
@click.option("--name", help="What the repetition is called; MODEL-again otherwise.")
@terms_options
@at_option
@json_option
def command(*, model: str, name: str | None, terms: Terms, url: str | None, is_json: bool) -> None:
    r"""Run the fine-tune that MODEL came of once more, and compare.

    MODEL is a name, name:ref or name@revision. Parent, pictures, strategy, seed and options are
    those its training.json tells. On the same machine and versions the weights are the same to the
    bit; elsewhere the largest difference is told, and which versions differ. What the plan is now
    (folds, C, layers, rates) follows once more from the pictures; decisions that come out
    otherwise than then are told. Exits with 6 if another number of validation pictures is right.

    \b
    Example:
      zoo reproduce squeezenet-ants-and-bees
    """
    with opened_at(url, terms) as at:
        line = ProgressLine()
        first = at.get_revision(model)
        job = at.enqueue_reproduce(first.address, name=name)
        result_of(at.finish_job(job.id, line.event))
        found = at.compare_repetition(first.address, job.params["name"])
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
        for decision, (before, now) in found.plan.items():
            click.echo(f"  {decision}: {before}, now {now}")
        if found.is_replanned and found.equal < found.tensors:
            click.echo(f"  {REPLANNED}")
        for package, (before, now) in found.versions.items():
            click.echo(f"  {package}: {before}, now {now}")
    if not found.is_same:
        raise VerificationFailed(
            f"{found.first} was not reproduced{_told_plan(found)}: {found.rights[0]} validation "
            f"pictures were right, now {found.rights[1]}.",
            hint="The zoo that made it plans it as it was; both revisions are kept."
            if found.is_replanned
            else "Compare versions, machine and device; both revisions are kept.",
            first=found.first,
            second=found.second,
        )


def _told_plan(found: "Repetition") -> str:
    if not found.is_replanned:
        return ""
    told = "; ".join(f"{name} {before}, now {now}" for name, (before, now) in found.plan.items())
    return f", as it is planned otherwise by now ({told})"
