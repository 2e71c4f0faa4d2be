"""What many answers come to: classes counted, and accuracy where pictures are labelled."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from zoo.operations.answer_lines import Seen
from zoo.training.metrics import Accuracy, wilson


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of answers."""

    labels: frozenset[str] | None = None  # that the model knows; None where that is not told
    predicted: int = 0
    unreadable: int = 0
    unsure: int = 0  # no class was probable enough to be told
    unknown: int = 0  # labelled as a class that the model does not know
    right: int = 0
    labelled: int = 0  # as a class that the model knows, and a class was told
    classes: Counter[str] = field(default_factory=Counter)  # by the most probable class

    @property
    def total(self) -> int:
        """How many pictures were asked about."""
        return self.predicted + self.unreadable

    @property
    def accuracy(self) -> Accuracy | None:
        """The accuracy on the pictures that can be right; None where there are none."""
        return wilson(self.right, self.labelled) if self.labelled else None

    def add(self, seen: Seen) -> None:
        """Count an answer."""
        if not seen.is_read:
            self.unreadable += 1
            return
        self.predicted += 1
        if seen.label is None:
            self.unsure += 1
        else:
            self.classes[seen.label] += 1
        self._hold(seen)

    def add_all(self, seen: Iterable[Seen]) -> None:
        """Count answers."""
        for one in seen:
            self.add(one)

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types, the most frequent class first."""
        return {
            "pictures": self.total,
            "predicted": self.predicted,
            "unreadable": self.unreadable,
            "unsure": self.unsure,
            "classes": dict(self.classes.most_common()),
            "accuracy": asdict(self.accuracy) if self.accuracy else None,
            "unknown_to_the_model": self.unknown,
        }

    def _hold(self, seen: Seen) -> None:
        """Hold an answer against the label of its picture."""
        if seen.truth is None:
            return
        if self.labels is not None and seen.truth not in self.labels:
            self.unknown += 1
        elif seen.label is not None:
            self.labelled += 1
            self.right += seen.label == seen.truth
