"""Where `zoo predict` puts what came of pictures: the terminal, a file, JSON."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from zoo.commands.console import ProgressLine, printable, show_accuracy, show_json
from zoo.commands.pace import Pace
from zoo.domain.prediction import Answered, Asked
from zoo.errors import SomeUnreadable
from zoo.operations.answer_lines import Form, Telling
from zoo.operations.answering import Answer, keep_answers
from zoo.operations.tally import Tally
from zoo.operations.unfinished import open_unfinished

STDOUT = "-"
PART = ".part"  # what a file that is not finished ends with
NAMED = 20  # unreadable pictures that are told where they also stand in a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How answers are wanted."""

    csv: str | None = None  # a file, or - for stdout
    jsonl: str | None = None
    is_json: bool = False

    @property
    def target(self) -> str | None:
        """The file or stdout that lines go to; None for text and JSON."""
        return self.csv or self.jsonl

    @property
    def path(self) -> Path | None:
        """The file that lines go to."""
        return None if self.target in {None, STDOUT} else Path(str(self.target))

    @property
    def form(self) -> Form:
        """How lines are written."""
        return Form.CSV if self.csv else Form.JSONL

    def check(self) -> None:
        """Refuse two at once.

        Raises:
            UsageError: more than one is wanted.
        """
        if sum((bool(self.csv), bool(self.jsonl), self.is_json)) > 1:
            raise click.UsageError("Give one of --csv, --jsonl and --json.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Puts the answers to some pictures where they are wanted, and counts them."""

    output: Output
    telling: Telling
    asked: Iterable[Asked]
    total: int
    answer: Answer
    tally: Tally
    line: ProgressLine

    def tell(self) -> None:
        """Tell of every picture.

        Raises:
            SomeUnreadable: pictures could not be read; the others are told of.
        """
        pace = Pace(line=self.line, step="predict", total=self.total)
        # Lines that run past at a terminal are progress enough.
        is_quiet = self.output.path is None and sys.stdout.isatty()
        for answered in self._put()():
            if answered.error is not None:
                self._tell_reason(answered)
            if not is_quiet:
                pace.show(self.tally.total)
        self.line.close()
        self._sum_up(pace)
        if self.tally.unreadable and not self.output.is_json:
            raise SomeUnreadable(
                f"{self.tally.unreadable} of {self.tally.total} pictures cannot be read; the "
                "others are predicted.",
                unreadable=self.tally.unreadable,
            )

    def _put(self) -> Callable[[], Iterator[Answered]]:
        if self.output.path is not None:
            return self._to_file
        if self.output.target == STDOUT:
            return self._to_stdout
        return self._to_json if self.output.is_json else self._to_terminal

    def _to_file(self) -> Iterator[Answered]:
        path = Path(str(self.output.path))
        folder = path.with_name(path.name + PART)
        with open_unfinished(folder, self.telling.as_json()) as unfinished:
            yield from keep_answers(unfinished, self.telling, self.asked, self.answer, self.tally)
            unfinished.finish(path)

    def _to_stdout(self) -> Iterator[Answered]:
        click.echo(self.telling.head(), nl=False)
        for answered in self._counted():
            click.echo(self.telling.line(answered), nl=False)
            yield answered

    def _to_json(self) -> Iterator[Answered]:
        records = []
        for answered in self._counted():
            records.append(self.telling.record(answered))
            yield answered
        show_json(records)

    def _to_terminal(self) -> Iterator[Answered]:
        for answered in self._counted():
            if answered.error is None:
                click.echo(printable(self._sentence(answered)))
            yield answered

    def _counted(self) -> Iterator[Answered]:
        for answered in self.answer(self.asked):
            self.tally.add(self.telling.look(answered))
            yield answered

    def _sentence(self, answered: Answered) -> str:
        scores = "  ".join(
            f"{score.label} {score.probability:.3f}" for score in self.telling.shown(answered)
        )
        nothing = f"nothing at {self.telling.threshold:g} or more"
        return f"{answered.asked.name}: {scores or nothing}"

    def _tell_reason(self, answered: Answered) -> None:
        """Say on stderr why a picture could not be read; of many that stand in a file, some."""
        is_told_there = self.output.target is not None or self.output.is_json
        if is_told_there and self.tally.unreadable > NAMED:
            return
        self.line.close()
        click.echo(printable(f"unreadable: {answered.error}"), err=True)
        if is_told_there and self.tally.unreadable == NAMED:
            click.echo("  further ones are told with the answers alone", err=True)

    def _sum_up(self, pace: Pace) -> None:
        tally = self.tally
        if self.total > 1:
            click.echo(
                f"  {tally.predicted} predicted, {tally.unreadable} unreadable"
                f"  {pace.told(tally.total)}",
                err=True,
            )
        show_accuracy_of(tally)
        if self.output.path is not None:
            click.echo(f"  {self.output.path}", err=True)


def show_accuracy_of(tally: Tally) -> None:
    """Say on stderr how many labelled pictures are right."""
    found = tally.accuracy
    if found is not None:
        interval = show_accuracy({"value": found.value, "low": found.low, "high": found.high})
        click.echo(
            f"  accuracy {interval} at 95 %, {found.right} of {found.total} pictures", err=True
        )
    if tally.unknown:
        click.echo(f"  {tally.unknown} are labelled as a class that it does not know", err=True)
