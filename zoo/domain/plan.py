"""The decisions of a fine-tune, with their reasons."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

BEST, ALL = "best", "all"  # taps: the one that cross-validation chooses, or all side by side


class Classifier(StrEnum):
    """What is fitted to codes."""

    LOGISTIC = "logistic"  # multinomial logistic regression
    SVM = "svm"  # linear, squared hinge loss, one class against the rest


class Strategy(StrEnum):
    """How a network is fitted to new pictures."""

    PROBE = "probe"  # a linear classifier on the codes; the body stays as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a fine-tune will do; with the same bytes and seed it gives the same result."""

    strategy: Strategy
    c_grid: tuple[float, ...]  # inverse regularisation strengths to choose from
    folds: int  # of the cross-validation; 0 where a class is too small to be divided
    balanced: bool  # weigh classes by 1 / their share
    seed: int
    because: tuple[str, ...]  # one measured reason a line
    layer: str = "codes"  # where codes are taken: what the classifier reads, a layer, BEST or ALL
    classifier: Classifier = Classifier.LOGISTIC

    def as_json(self) -> dict[str, Any]:
        """Write the plan down as training.json holds it."""
        return asdict(self) | {
            "strategy": self.strategy.value,
            "classifier": self.classifier.value,
            "c_grid": list(self.c_grid),
            "because": list(self.because),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        return cls(
            **data
            | {
                "strategy": Strategy(data["strategy"]),
                "classifier": Classifier(data.get("classifier", Classifier.LOGISTIC)),
                "c_grid": tuple(data["c_grid"]),
                "because": tuple(data["because"]),
            }
        )
