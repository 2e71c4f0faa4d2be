"""`zoo jobs`."""

import click

from zoo.commands.console import (
    ProgressLine,
    json_option,
    opened,
    result_of,
    show_json,
    show_size,
    show_table,
)
from zoo.commands.predict_job import copy_predictions
from zoo.commands.remote import at_option, opened_at
from zoo.domain.job import AttemptRecord, Job
from zoo.domain.retries import POLICIES
from zoo.domain.terms import HIGHEST, LOWEST

number_argument = click.argument("number", type=click.IntRange(1))


class Jobs(click.Group):
    """A group that takes a job's number alone for what is asked most: to show it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a number is shown."""
        return super().resolve_command(ctx, ["show", *args] if args[0].isdecimal() else args)


@click.group(cls=Jobs, invoke_without_command=True)
@at_option
@json_option
@click.pass_context
def command(context: click.Context, *, url: str | None, is_json: bool) -> None:
    """List, show, follow, order, pause, cancel and rerun jobs; alone, list them.

    A job's number alone shows it: zoo jobs 12
    """
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
@number_argument
@at_option
@json_option
def show(*, number: int, url: str | None, is_json: bool) -> None:
    """Show job NUMBER: its state, its attempts, what it said, what came of it."""
    with opened_at(url) as at:
        job = at.get_job(number)
    if is_json:
        show_json(_as_json(job))
        return
    click.echo(f"job {job.id}  {job.kind.value}  {job.state.value}  {_subject(job)}")
    for line in _terms(job):
        click.echo(f"  {line}")
    for attempt in job.attempts:
        click.echo(f"  {_attempt(attempt)}")
    for event in job.events:
        count = f" {event.done}/{event.total}" if event.total is not None else ""
        click.echo(f"  {event.at:%H:%M:%S}  {event.step}: {event.message}{count}")
    if job.result:
        click.echo(f"  {job.result.get('revision', '')}")
    if job.error:
        click.echo(f"  {job.error['error']['message']}\n  next: {job.error['error']['hint']}")


@command.command()
@number_argument
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
@number_argument
@at_option
def cancel(*, number: int, url: str | None) -> None:
    """Cancel job NUMBER; its process stops at its next word, and what comes after it ends too."""
    with opened_at(url) as at:
        job = at.cancel_job(number)
    click.echo(f"job {job.id}  {job.state.value}")


@command.command()
@number_argument
@at_option
def pause(*, number: int, url: str | None) -> None:
    """Put job NUMBER aside; one that runs stops at its next checkpoint, and keeps it."""
    with opened_at(url) as at:
        job = at.pause_job(number)
    click.echo(f"job {job.id}  {_state(job)}")


@command.command()
@number_argument
@at_option
def resume(*, number: int, url: str | None) -> None:
    """Queue job NUMBER again, which was put aside; it goes on where it stopped."""
    with opened_at(url) as at:
        job = at.resume_job(number)
    click.echo(f"job {job.id}  {_state(job)}")


@command.command(context_settings={"ignore_unknown_options": True})
@number_argument
@click.argument("priority", type=click.IntRange(LOWEST, HIGHEST))
@at_option
def priority(*, number: int, priority: int, url: str | None) -> None:
    r"""Have job NUMBER come earlier, or later: the higher PRIORITY comes first, 0 is usual.

    Accounts order their own jobs below 0; above 0 is for admins.

    \b
    Example:
      zoo jobs priority 12 -5
    """
    with opened_at(url) as at:
        job = at.set_priority(number, priority)
    click.echo(f"job {job.id}  {_state(job)}  priority {job.priority}")


@command.command()
@number_argument
@click.option(
    "--set",
    "changes",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter that is different, such as epochs=5; again for more.",
)
@at_option
@json_option
def rerun(*, number: int, changes: tuple[str, ...], url: str | None, is_json: bool) -> None:
    r"""Queue once more what job NUMBER was to do, with changes; give the new number.

    \b
    Example:
      zoo jobs rerun 12 --set epochs=5 --set name=flowers-longer
    """
    told = {name.strip(): value for name, _, value in (each.partition("=") for each in changes)}
    if not all(each.partition("=")[1] for each in changes):
        raise click.UsageError("Say what is different as NAME=VALUE: --set epochs=5")
    with opened_at(url) as at:
        job = at.rerun_job(number, told)
    show_json(_as_json(job)) if is_json else click.echo(job.id)
    click.echo(f"  next: zoo jobs follow {job.id}", err=True)


@command.command()
@number_argument
@click.option("-o", "--output", required=True, metavar="FILE", help="The file; - is stdout.")
def predictions(*, number: int, output: str) -> None:
    """Write out the answers of job NUMBER, which predicted a dataset."""
    with opened() as zoo:
        copy_predictions(zoo, number, output)


def _subject(job: Job) -> str:
    """Say in a few words what a job is about."""
    model, dataset = job.params.get("model") or "", job.params.get("dataset")
    name = model.partition("@")[0]
    return f"{name or 'all models'} on {dataset.partition('@')[0]}" if dataset else name


def _state(job: Job) -> str:
    return f"{job.state.value}, pausing" if job.is_pausing else job.state.value


def _terms(job: Job) -> list[str]:
    """Say on which terms a job was queued, and how often it is tried again."""
    asked = [
        f"{job.threads} threads" if job.threads else "",
        f"{show_size(job.memory_bytes)} of memory" if job.memory_bytes else "",
        f"{job.gpus} GPUs" if job.gpus else "",
    ]
    policy = POLICIES[job.kind]
    lines = [
        f"waits for {job.waits_for}" if job.waits_for else "",
        f"priority {job.priority}" if job.priority else "",
        f"after {', '.join(f'job {number}' for number in job.after)}" if job.after else "",
        f"asks for {', '.join(filter(None, asked))}" if any(asked) else "",
        f"job {job.rerun_of} run again" if job.rerun_of else "",
        "stops at its next checkpoint" if job.is_pausing else "",
        ""
        if job.state.is_final
        else f"tried {policy.most_lost} times if its process dies, and {policy.most_retries} times"
        " again if database, store or disk fail it",
    ]
    return [line for line in lines if line]


def _attempt(attempt: AttemptRecord) -> str:
    """Say in a line who tried, and how that ended."""
    given = f"  {attempt.threads} threads" if attempt.threads else ""
    if attempt.gpus:
        given += f", GPU {', '.join(map(str, attempt.gpus))}"
    ended = f"{attempt.outcome} {attempt.ended_at:%H:%M:%S}" if attempt.ended_at else "runs"
    told = ((attempt.error or {}).get("error") or {}).get("message")
    return (
        f"{attempt.started_at:%H:%M:%S}  attempt {attempt.number}: {attempt.worker}{given}  {ended}"
        + (f": {told}" if told and attempt.outcome == "retried" else "")
    )


def _as_json(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "priority": job.priority,
        "after": job.after,
        "rerun_of": job.rerun_of,
        "waits_for": job.waits_for,
        "attempt": job.attempt,
        "params": job.params,
        "result": job.result,
        "error": job.error,
        "attempts": [
            {
                "number": attempt.number,
                "worker": attempt.worker,
                "outcome": attempt.outcome,
                "threads": attempt.threads,
                "started_at": attempt.started_at,
                "ended_at": attempt.ended_at,
            }
            for attempt in job.attempts
        ],
        "events": [
            {"step": event.step, "message": event.message, "at": event.at} for event in job.events
        ],
    }
