"""The decisions of a fine-tune, with their reasons."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from zoo.domain.training import Training

CODES = "codes"  # the tap that is what the classifier reads
BEST, ALL = "best", "all"  # taps: the one that cross-validation chooses, or all side by side


class Classifier(StrEnum):
    """What is fitted to codes."""

    LOGISTIC = "logistic"  # multinomial logistic regression
    SVM = "svm"  # linear, squared hinge loss, one class against the rest


class CodesPrecision(StrEnum):
    """What the codes that a classifier learns from are computed in; what is published is fp32."""

    AUTO = "auto"  # bf16 where the processor multiplies in it and it changes little, else fp32
    FP32 = "fp32"
    BF16 = "bf16"


class Strategy(StrEnum):
    """How a network is fitted to new pictures."""

    AUTO = "auto"  # what the number of pictures speaks for; a plan never holds it
    ZERO_SHOT = "zero-shot"  # the classes that the network knows stand for the new ones
    PROBE = "probe"  # a linear classifier on the codes; the body stays as it is
    PARTIAL = "partial"  # the upper layers are trained, on kept values of the frozen ones below
    LP_FT = "lp-ft"  # a probe first, then all layers are trained, the lower the slower
    FULL = "full"  # all layers are trained, with a head that begins at zero
    SCRATCH = "scratch"  # likewise, and the body begins anew

    @property
    def is_trained(self) -> bool:
        """Tell whether layers of the body are trained."""
        return self in {Strategy.PARTIAL, Strategy.LP_FT, Strategy.FULL, Strategy.SCRATCH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a fine-tune will do; with the same bytes and seed it gives the same result."""

    strategy: Strategy
    c_grid: tuple[float, ...]  # inverse regularisation strengths to choose from
    folds: int  # of the cross-validation; smaller classes are not held out; 0 for none
    balanced: bool  # weigh classes by 1 / their share, and choose by their balanced accuracy
    seed: int
    because: tuple[str, ...]  # one measured reason a line
    layer: str = "codes"  # where codes are taken: what the classifier reads, a layer, BEST or ALL
    classifier: Classifier = Classifier.LOGISTIC
    training: Training | None = None  # None where the body stays as it is

    def as_json(self) -> dict[str, Any]:
        """Write the plan down as training.json holds it."""
        return asdict(self) | {
            "strategy": self.strategy.value,
            "classifier": self.classifier.value,
            "c_grid": list(self.c_grid),
            "because": list(self.because),
            "training": self.training.as_json() if self.training else None,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what ``as_json`` wrote."""
        training = data.get("training")
        return cls(
            **data
            | {
                "strategy": Strategy(data["strategy"]),
                "classifier": Classifier(data.get("classifier", Classifier.LOGISTIC)),
                "c_grid": tuple(data["c_grid"]),
                "because": tuple(data["because"]),
                "training": Training.from_json(training) if training else None,
            }
        )
