"""`zoo logs`."""

import time

import click

from zoo.commands.console import json_option, show_json
from zoo.commands.remote import at_option, opened_at
from zoo.operations.verbs import Verbs

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0  # between two looks


@click.command()
@click.argument("number", type=click.IntRange(1))
@click.option(
    "--attempt", metavar="NUMBER", type=click.IntRange(1), help="Another than the last one."
)
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@at_option
@json_option
def command(
    *, number: int, attempt: int | None, follow: bool, url: str | None, is_json: bool
) -> None:
    r"""Show what the process of job NUMBER printed in its last attempt.

    What the job itself tells of its progress is shown by zoo jobs. A log lies on the machine that
    ran the attempt; where machines share a database and a store, the store has it once the attempt
    has ended.

    \b
    Examples:
      zoo logs 12 -f
      zoo logs 12 --attempt 1
    """
    if follow and is_json:
        raise click.UsageError("A log that is followed is no JSON: leave out --json or --follow.")
    with opened_at(url) as at:
        if is_json:
            text, number_of_attempt = _read(at, number, attempt)
            show_json({"job": number, "attempt": number_of_attempt, "text": text})
        elif follow:
            _follow(at, number, attempt)
        else:
            click.echo(_read(at, number, attempt)[0], nl=False)


def _read(at: Verbs, number: int, attempt: int | None) -> tuple[str, int]:
    """Give all that an attempt has printed by now, and which one it is."""
    part = at.read_log(number, attempt=attempt, offset=0)
    texts = [part.text]
    while part.text and not part.is_complete:
        part = at.read_log(number, attempt=part.attempt, offset=part.next)
        texts.append(part.text)
    return "".join(texts), part.attempt


def _follow(at: Verbs, number: int, attempt: int | None) -> None:
    """Write what is printed as it comes, of one attempt, or of all from the last one on."""
    attempts = at.get_job(number).attempts
    before = attempts[-1].number - 1 if attempts else 0
    current = attempt if attempt is not None else _await_attempt(at, number, after=before)
    while current is not None:
        _write_to_end(at, number, current)
        if attempt is not None:
            return
        current = _await_attempt(at, number, after=current)
        if current is not None:
            click.echo(f"-- attempt {current}", err=True)


def _await_attempt(at: Verbs, number: int, *, after: int) -> int | None:
    """Wait for an attempt after another one; None where there will be none."""
    pause_s, told = FIRST_PAUSE_S, None
    while True:
        job = at.get_job(number)
        if job.waits_for and job.waits_for != told:
            told = job.waits_for
            click.echo(f"job {number} waits for {told}", err=True)
        later = [one.number for one in job.attempts if one.number > after]
        if later or job.state.is_at_rest:
            return later[0] if later else None
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _write_to_end(at: Verbs, number: int, attempt: int) -> None:
    """Write all that an attempt prints, until it has ended."""
    offset, pause_s = 0, FIRST_PAUSE_S
    while True:
        part = at.read_log(number, attempt=attempt, offset=offset)
        click.echo(part.text, nl=False)
        offset = part.next
        if part.is_complete:
            return
        if part.text:
            pause_s = FIRST_PAUSE_S
        else:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
