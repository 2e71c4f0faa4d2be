"""How good something is on pictures that were held out, fold by fold."""

from dataclasses import asdict, dataclass
from typing import Any

BALANCED = ("balanced_accuracy", "balanced_error")  # told only where classes are weighed


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """An accuracy in cross-validation; where classes are weighed, what it is judged by beside it.

    Of classes that are weighed each counts the same, however few its pictures are. By the share of
    pictures that are right, whoever never names a rare class would be the best.
    """

    accuracy: float  # mean over the folds
    standard_error: float  # of that mean
    balanced_accuracy: float | None = None  # likewise, of the mean of each class's own accuracy
    balanced_error: float | None = None

    @property
    def judged(self) -> float:
        """The figure that choices are made by."""
        return self.accuracy if self.balanced_accuracy is None else self.balanced_accuracy

    @property
    def judged_error(self) -> float:
        """The standard error of that figure."""
        return self.standard_error if self.balanced_error is None else self.balanced_error

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            key: value
            for key, value in asdict(self).items()
            if value is not None or key not in BALANCED
        }
