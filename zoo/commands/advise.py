"""`zoo advise`."""

from typing import Any

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    result_of,
    show_json,
    show_table,
)
from zoo.commands.datasets import address_at
from zoo.commands.remote import at_option, opened_at
from zoo.commands.terms import terms_options
from zoo.domain.plan import Strategy
from zoo.domain.terms import Terms
from zoo.operations.advise import ALL_MODELS, Kept, tell_gain


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="[MODEL] DATASET")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@terms_options
@at_option
@json_option
def command(
    *, names: tuple[str, ...], seed: int, terms: Terms, url: str | None, is_json: bool
) -> None:
    r"""Say what fine-tuning MODEL on DATASET would come to, every number measured.

    Told are: what the dataset is made of, and pictures that look alike on both sides of its
    division; accuracy along the depth of the network, and of the same network with random weights;
    which classes the network takes the pictures for; what more pictures would buy; which of the
    four scenarios of transfer learning this is, by which rule; what could be done at what cost, and
    the command to paste. Accuracies are cross-validated on training pictures; of unequal classes
    each counts the same, by balanced accuracy. No layer is advised that is not above chance. The
    result of every fine-tune is later held against the advice that preceded it.

    Without MODEL, the models of the zoo are ranked by a linear classifier on their codes.

    \b
    Examples:
      zoo advise squeezenet ./ants-and-bees
      zoo advise ./ants-and-bees
    """
    if len(names) > 2:  # noqa: PLR2004  # a model and a dataset
        raise click.UsageError("Give a model and a dataset, or a dataset alone.")
    model, dataset = names if len(names) > 1 else (ALL_MODELS, names[0])
    with opened_at(url, terms) as at:
        line = ProgressLine()
        job = at.enqueue_advise(model, address_at(at, dataset, line), seed=seed)
        result = result_of(at.finish_job(job.id, line.event))
        record = at.read_record()
    if is_json:
        show_json({"job": job.id, **result, "record": [one.as_json() for one in record]})
    elif model == ALL_MODELS:
        _show_ranking(result)
    else:
        _show_advice(result)
        _show_record(record)


def _show_ranking(told: dict[str, Any]) -> None:
    rows = [
        (
            row["model"] + (" (has seen it)" if row["has_seen"] else ""),
            f"{row['accuracy']:.3f} ({row['low']:.3f}..{row['high']:.3f})",
            *_balanced(row),
            row["codes"],
            row["parameters"],
            f"{row['pass_s'] * 1000:.1f}",
        )
        for row in told["models"]
    ]
    more = ("BALANCED ACCURACY",) if (unequal := told.get("unequal")) else ()
    show_table(("MODEL", "ACCURACY", *more, "CODES", "PARAMETERS", "CPU MS A PICTURE"), rows)
    click.echo(f"  cross-validated on {told['looked_at']} training pictures, intervals at 95 %")
    if unequal:
        click.echo(f"  always {unequal['label']!r} would have {unequal['share']:.3f}")
    for reason in told.get("because", ())[1:]:  # The first says the same once more.
        click.echo(f"  {reason}")
    for one in told["skipped"]:
        click.echo(f"  left out: {one['model']}: {one['reason']}", err=True)


def _show_advice(told: dict[str, Any]) -> None:
    _show_facts(told["facts"])
    if "quadrant" not in told:
        for reason in told["because"]:
            click.echo(f"  {reason}")
        return
    rows = [
        (
            point["layer"],
            point["codes"],
            f"{point['accuracy']:.3f} +- {point['standard_error']:.3f}",
            *_balanced(point),
            f"{point.get('random_balanced', point['random']):.3f}",
            f"{point['gain'] * 100:+.1f}",
            *([f"{ratio:.1f}"] if (ratio := point.get("frechet_ratio")) is not None else []),
        )
        for point in told["depth"]
    ]
    far = ("FRECHET RATIO",) if told.get("reference_moments") else ()
    more = ("BALANCED ACCURACY",) if told.get("unequal") else ()
    head = ("CODES OF", "NUMBERS", "ACCURACY", *more, "RANDOM WEIGHTS", "POINTS GAINED", *far)
    show_table(head, rows)
    _show_similarity(told["similarity"])
    for gain in told["gains"]:
        click.echo(f"{gain['more']} more pictures {tell_gain(gain)}")
    click.secho(told["quadrant"]["name"], bold=True)
    for reason in told["because"]:
        click.echo(f"  {reason}")
    arms = [
        (
            arm["strategy"],
            arm["layer"],
            "" if arm["accuracy"] is None else f"{arm['accuracy']:.3f}",
            *(_balanced(arm) or [""] * len(more)),
            arm["cpu_s"],
        )
        for arm in told["arms"]
    ]
    show_table(("STRATEGY", "LAYER", "ACCURACY", *more, "CPU S"), arms)
    advised = told["advised"]
    if advised is None:
        click.echo("  nothing is advised: no classifier of these codes would do more than guess")
        return
    if predicted := told["predicted"]:
        what = "zero-shot" if advised["strategy"] == Strategy.ZERO_SHOT else "a probe"
        click.echo(
            f"  {what} will have {predicted['accuracy']:.3f} "
            f"({predicted['low']:.3f}..{predicted['high']:.3f}) at 95 %"
            f"{_told_balanced(predicted)}"
        )
    click.echo(f"  {advised['command']}")


def _told_balanced(told: dict[str, Any]) -> str:
    share = told.get("balanced_accuracy")
    return "" if share is None else f", balanced accuracy {share:.3f}"


def _balanced(told: dict[str, Any]) -> list[str]:
    """Write the balanced accuracy of what was measured where classes are unequal."""
    share = told.get("balanced_accuracy")
    if share is None:
        return []
    error = told.get("balanced_error")
    return [f"{share:.3f}" if error is None else f"{share:.3f} +- {error:.3f}"]


def _show_facts(facts: dict[str, Any]) -> None:
    for split, counts in facts["counts"].items():
        told = ", ".join(f"{label} {count}" for label, count in counts.items())
        click.echo(f"{split}: {sum(counts.values())} pictures: {told}")
    if facts["copies"]:
        click.echo(f"{facts['copies']} pictures are copies of others, to the byte")
    for one in facts["skipped"]:
        click.echo(f"left out: {one['path']}: {one['reason']}")
    if count := facts["alike_across_splits"]:
        click.echo(f"{count} pairs of a training and a validation picture look alike:")
        for first, second in facts["alike"]:
            click.echo(f"  {first}  {second}")
        if more := count - len(facts["alike"]):
            click.echo(f"  and {more} more")


def _show_similarity(told: dict[str, Any] | None) -> None:
    if told is None:
        return
    click.echo(
        f"the network's own classes: {told['distinct']} of them light up, entropy "
        f"{told['entropy']:.2f} of {told['most_entropy']:.2f} nats"
    )
    for label, lit in told["lit"].items():
        seen = ", ".join(f"{name} {share:.2f}" for name, share in lit[:3])
        click.echo(f"  {label}: {seen}")


def _show_record(record: list[Kept]) -> None:
    if record:
        within = sum(one.is_within for one in record)
        click.echo(
            f"  track record: of {len(record)} fine-tunes as advised here, the intervals of"
            f" {within} meet those predicted"
        )
