"""`zoo jobs`."""

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    opened,
    result_of,
    show_json,
    show_table,
)
from zoo.commands.predict_job import copy_predictions
from zoo.commands.remote import at_option, opened_at
from zoo.domain.job import Job


@click.group(invoke_without_command=True)
@at_option
@json_option
@click.pass_context
def command(context: click.Context, *, url: str | None, is_json: bool) -> None:
    """List, show, follow and cancel jobs; alone, list them."""
    if context.invoked_subcommand is not None:
        return
    with opened_at(url) as at:
        found = at.list_jobs()
    if is_json:
        show_json([_as_json(job) for job in found])
        return
    rows = [(job.id, job.kind.value, job.state.value, _subject(job)) for job in found]
    show_table(("JOB", "KIND", "STATE", "WHAT"), rows)


@command.command()
@click.argument("number", type=click.IntRange(1))
@at_option
@json_option
def show(*, number: int, url: str | None, is_json: bool) -> None:
    """Show job NUMBER: its state, what it said, what came of it."""
    with opened_at(url) as at:
        job = at.get_job(number)
    if is_json:
        show_json(_as_json(job))
        return
    click.echo(f"job {job.id}  {job.kind.value}  {job.state.value}  {_subject(job)}")
    for event in job.events:
        count = f" {event.done}/{event.total}" if event.total is not None else ""
        click.echo(f"  {event.at:%H:%M:%S}  {event.step}: {event.message}{count}")
    if job.result:
        click.echo(f"  {job.result.get('revision', '')}")
    if job.error:
        click.echo(f"  {job.error['error']['message']}\n  next: {job.error['error']['hint']}")


@command.command()
@click.argument("number", type=click.IntRange(1))
@at_option
@json_option
def follow(*, number: int, url: str | None, is_json: bool) -> None:
    """Follow job NUMBER until it has ended; Ctrl-C stops following, not the job, of another zoo.

    A job of the zoo of this machine that nobody runs is run by this command.
    """
    with opened_at(url) as at:
        job = at.finish_job(at.get_job(number).id, ProgressLine().event)
    result = result_of(job)
    if is_json:
        show_json(_as_json(job) | {"result": result})
        return
    click.echo(f"job {job.id}  {job.kind.value}  {job.state.value}  {_subject(job)}")
    click.echo(f"  {result.get('revision', '')}")


@command.command()
@click.argument("number", type=click.IntRange(1))
@at_option
def cancel(*, number: int, url: str | None) -> None:
    """Cancel job NUMBER; its process stops at its next word."""
    with opened_at(url) as at:
        job = at.cancel_job(number)
    click.echo(f"job {job.id}  {job.state.value}")


@command.command()
@click.argument("number", type=click.IntRange(1))
@click.option("-o", "--output", required=True, metavar="FILE", help="The file; - is stdout.")
def predictions(*, number: int, output: str) -> None:
    """Write out the answers of job NUMBER, which predicted a dataset."""
    with opened() as zoo:
        copy_predictions(zoo, number, output)


def _subject(job: Job) -> str:
    """Say in a few words what a job is about."""
    model, dataset = job.params.get("model", ""), job.params.get("dataset")
    name = model.partition("@")[0]
    return f"{name or 'all models'} on {dataset.partition('@')[0]}" if dataset else name


def _as_json(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "attempt": job.attempt,
        "params": job.params,
        "result": job.result,
        "error": job.error,
        "events": [
            {"step": event.step, "message": event.message, "at": event.at} for event in job.events
        ],
    }
