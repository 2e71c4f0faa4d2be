"""What came of many pictures as lines of a file: JSON Lines or CSV, one line a picture."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from zoo.domain.prediction import Answered, Asked, ClassScore
from zoo.images.names import printable

SCORE = ("label", "probability")


class Form(StrEnum):
    """How answers are written down."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a summary counts of a picture."""

    truth: str | None  # the class that it is labelled as
    label: str | None  # the most probable class; None where none is told
    is_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is told of each picture, and how."""

    model: str  # "model@revision"
    form: Form
    top: int  # classes a picture at most
    threshold: float = 0.0  # least probability of a class that is told
    has_truth: bool = False  # whether pictures are labelled

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return asdict(self) | {"form": self.form.value}

    def head(self) -> str:
        """Give what stands above the lines; nothing for JSON Lines."""
        if self.form is Form.JSONL:
            return ""
        truth = ["truth"] if self.has_truth else []
        scores = [f"{name}_{place}" for place in range(1, self.top + 1) for name in SCORE]
        return _csv_line(["picture", *truth, "model", "error", *scores])

    def line(self, answered: Answered) -> str:
        """Write down what came of a picture, with the end of the line."""
        if self.form is Form.CSV:
            return _csv_line(self._cells(answered))
        return json.dumps(self.record(answered), ensure_ascii=False) + "\n"

    def record(self, answered: Answered) -> dict[str, Any]:
        """Give what came of a picture with plain JSON types."""
        asked = answered.asked
        told: dict[str, Any] = {"picture": printable(asked.name)}
        if self.has_truth:
            told["truth"] = asked.truth
        if answered.error is not None:
            return told | answered.error.as_json()
        scores = [asdict(score) for score in self.shown(answered)]
        return told | {"model": self.model, "provider": answered.provider, "scores": scores}

    def shown(self, answered: Answered) -> tuple[ClassScore, ...]:
        """Give the classes that are told."""
        most = answered.scores[: self.top]
        return tuple(score for score in most if score.probability >= self.threshold)

    def is_line_of(self, line: str, asked: Asked) -> bool:
        """Tell whether a line that was written before is of this picture."""
        try:
            if self.form is Form.CSV:
                return next(csv.reader([line]))[0] == _flat(printable(asked.name))
            told = json.loads(line)
            return isinstance(told, dict) and told.get("picture") == printable(asked.name)
        except (ValueError, csv.Error, StopIteration, IndexError):
            return False

    def look(self, answered: Answered) -> Seen:
        """Give what a summary counts of a picture."""
        shown = self.shown(answered)
        return Seen(
            truth=answered.asked.truth,
            label=shown[0].label if shown else None,
            is_read=answered.error is None,
        )

    def look_at_line(self, line: str) -> Seen:
        """Give likewise what a line says that was written before."""
        if self.form is Form.JSONL:
            told = json.loads(line)
            scores = told.get("scores") or [{}]
            return Seen(
                truth=told.get("truth"), label=scores[0].get("label"), is_read="error" not in told
            )
        cells = next(csv.reader([line]))
        truth = cells.pop(1) if self.has_truth else None
        return Seen(truth=truth or None, label=cells[3] or None, is_read=not cells[2])

    def _cells(self, answered: Answered) -> list[str]:
        asked, error = answered.asked, answered.error
        scores = self.shown(answered)
        told = [cell for one in scores for cell in (one.label, f"{one.probability:.6g}")]
        return [
            printable(asked.name),
            *([asked.truth or ""] if self.has_truth else []),
            self.model,
            str(error) if error is not None else "",
            *told,
            *[""] * (len(SCORE) * (self.top - len(scores))),
        ]


def _csv_line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([_flat(cell) for cell in cells])
    return buffer.getvalue()


def _flat(cell: str) -> str:
    """Keep a cell on its line: what ends a line is written as its number."""
    if cell.isprintable():
        return cell
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in cell
    )
