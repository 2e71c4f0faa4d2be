"""What commands share at the terminal: the open zoo, JSON or text, tables, progress."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click

from zoo.domain.job import Job, JobEvent, JobState
from zoo.errors import JobFailed
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings

json_option = click.option("--json", "is_json", is_flag=True, help="Write JSON to stdout.")
quiet_option = click.option(
    "-q", "--quiet", "is_quiet", is_flag=True, help="Write names alone, one a line."
)
STEP_PERCENT = 25  # how often a count is told where no terminal can be rewritten


@contextmanager
def opened() -> Iterator[Zoo]:
    """Open the zoo that the settings name."""
    with open_zoo(read_settings()) as zoo:
        yield zoo


def show_json(value: object) -> None:
    """Write a value to stdout as JSON."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def show_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write rows under a header, in columns, without borders; numbers stand right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    click.secho("  ".join(map(str.ljust, header, widths)).rstrip(), bold=True)
    for row, values in zip(cells, rows, strict=True):
        line = [
            cell.rjust(width) if isinstance(value, int | float) else cell.ljust(width)
            for cell, value, width in zip(row, values, widths, strict=True)
        ]
        click.echo("  ".join(line).rstrip())


def show_names(names: Iterable[str]) -> None:
    """Write names for other programs: one a line, and nothing else."""
    for name in names:
        click.echo(printable(name))


def printable(text: str) -> str:
    """Write characters that a terminal would obey as their numbers; names come out of files."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def show_size(size_bytes: int) -> str:
    """Write a size for people: 5.0 MB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004  # the step between units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def show_accuracy(accuracy: Mapping[str, float] | None) -> str:
    """Write an accuracy with its 95 % interval: 0.941 (0.892..0.969)."""
    if not accuracy:
        return ""
    return f"{accuracy['value']:.3f} ({accuracy['low']:.3f}..{accuracy['high']:.3f})"


@dataclass(slots=True)
class ProgressLine:
    """Progress on stderr: one rewritten line at a terminal, a line now and then elsewhere."""

    is_terminal: bool = False
    _open: bool = False
    _told: tuple[str, int] = ("", -1)

    def __post_init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()

    def event(self, event: JobEvent) -> None:
        """Show what a job says."""
        if event.total is None:
            self._line(f"{event.step}: {event.message}")
        else:
            self.count(event.step, event.message, event.done or 0, event.total)

    def count(self, step: str, message: str, done: int, total: int, *, more: str = "") -> None:
        """Show how far a step is, and what more there is to say of it."""
        text = f"{step}: {message} {done}/{total}{more}"
        if self.is_terminal:
            click.echo(f"\r\033[K{text}", nl=False, err=True)
            self._open = True
            if done >= total:
                self.close()
            return
        quarter = done * 100 // max(total, 1) // STEP_PERCENT
        if (step, quarter) != self._told:
            self._told = (step, quarter)
            click.echo(text, err=True)

    def close(self) -> None:
        """End a line that is still being rewritten."""
        if self._open:
            click.echo(err=True)
        self._open = False

    def _line(self, text: str) -> None:
        self.close()
        click.echo(text, err=True)


def result_of(job: Job) -> dict[str, object]:
    """Give what came of a job.

    Raises:
        JobFailed: it failed or was cancelled; the reason is the one the job wrote down.
    """
    if job.state is JobState.SUCCEEDED and job.result is not None:
        return job.result
    if not job.state.is_final:
        raise JobFailed(
            f"Job {job.id} has not ended: it is {job.state.value}.",
            hint=f"Go on with it: zoo jobs resume {job.id}",
            job=job.id,
        )
    told = (job.error or {}).get("error", {})
    message = told.get("message", f"it was {job.state.value}")
    raise JobFailed(
        f"Job {job.id} did not succeed: {message}",
        hint=told.get("hint") or f"See: zoo jobs show {job.id}",
        job=job.id,
        cause=told.get("code"),
    )
