"""What is measured by jobs: evaluations, codes, studies, verifications, repetitions."""

import math
from typing import Annotated, Self

from pydantic import Field

from zoo.domain.dataset import Split
from zoo.operations.measuring import InitStudy, TransferStudy
from zoo.operations.reproduce import Repetition
from zoo.web.shapes.base import WITHOUT_NUL, Shape
from zoo.web.shapes.terms import TermsBody

MOST_LAYERS = 1000
MOST_SCHEMES = 100

Name = Annotated[str, Field(max_length=400, pattern=WITHOUT_NUL)]
Layer = Annotated[str, Field(min_length=1, max_length=1000, pattern=WITHOUT_NUL)]
SchemeText = Annotated[str, Field(min_length=1, max_length=256, pattern=WITHOUT_NUL)]
Rate = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, description="learning rate")]
Epochs = Annotated[int, Field(ge=1, le=1000)]
Seeds = Annotated[int, Field(ge=1, le=100)]

MODEL = "name, name:ref or name@revision"
DATASET = "name or name@id of a dataset of this zoo"


class EvaluationBody(TermsBody):
    """An evaluation to be queued."""

    model: Name = Field(description=MODEL)
    dataset: Name = Field(description=DATASET)
    split: Split = Split.VAL
    against: Name | None = Field(default=None, description="another model, on the same pictures")
    has_pictures: bool = Field(default=True, description="also sheets of what was wrong, and why")


class CodesBody(TermsBody):
    """Codes to be written."""

    model: Name = Field(description=MODEL)
    dataset: Name = Field(description=DATASET)
    layers: list[Layer] = Field(
        default=[], max_length=MOST_LAYERS, description="none: what the classifier reads"
    )
    is_all: bool = Field(default=False, description="layers along the whole depth instead")
    splits: list[Split] = Field(default=list(Split), min_length=1, max_length=len(Split))


class ReferenceQuery(Shape):
    """Whose reference the pictures in the body are."""

    model: Name = Field(description=MODEL)
    source: str = Field(
        default="pictures",
        min_length=1,
        max_length=255,
        pattern=WITHOUT_NUL,
        description="what the pictures are called, in advice and errors",
    )


class InitStudyBody(TermsBody):
    """A study of how filters may begin, to be queued."""

    dataset: Name = Field(description=DATASET)
    schemes: list[SchemeText] = Field(min_length=1, max_length=MOST_SCHEMES)
    epochs: Epochs = 10
    seeds: Seeds = 3
    rate: Rate = 0.03
    side_px: int = Field(default=16, ge=8, le=128, description="that pictures are squeezed to")
    training_pictures: int | None = Field(default=None, ge=2, description="all of them otherwise")

    @property
    def study(self) -> InitStudy:
        """Give what the operation takes."""
        return InitStudy(
            schemes=tuple(self.schemes),
            epochs=self.epochs,
            seeds=self.seeds,
            rate=self.rate,
            side_px=self.side_px,
            training_pictures=self.training_pictures,
        )


class TransferStudyBody(TermsBody):
    """A study of how far layers transfer, to be queued."""

    model: Name = Field(description=MODEL)
    datasets: tuple[Name, Name] = Field(description="from which, to which; one twice is halved")
    epochs: Epochs = 20
    seeds: Seeds = 1
    rate: Rate = 0.02
    batch: int = Field(default=32, ge=1, le=4096)
    init: SchemeText = "he+lsuv"
    stages: int | None = Field(default=None, ge=1, description="at most so many; all otherwise")

    @property
    def study(self) -> TransferStudy:
        """Give what the operation takes."""
        return TransferStudy(
            epochs=self.epochs,
            seeds=self.seeds,
            rate=self.rate,
            batch=self.batch,
            init=self.init,
            stages=self.stages,
        )


class VerificationBody(TermsBody):
    """A verification to be queued."""

    model: Name | None = Field(
        default=None, description=f"{MODEL}; null reads every byte of the zoo, for admins"
    )
    quarantine: bool = Field(default=False, description="set damaged bytes aside; of all alone")


class RepetitionBody(TermsBody):
    """A fine-tune to be run once more."""

    model: Name = Field(description=MODEL)
    name: Name | None = Field(default=None, description="of the repetition; MODEL-again otherwise")


class RepetitionQuery(Shape):
    """Which two are compared."""

    first: Name = Field(description="the revision that came of the fine-tune")
    second: Name = Field(description="the model that came of its repetition")


class RepetitionAnswer(Shape):
    """A fine-tune beside its repetition."""

    first: str
    second: str
    tensors: int
    equal: int = Field(description="tensors that are the same to the bit")
    largest_difference: float | None = Field(
        description="between two numbers, as a share of the tensor's largest; null: other shapes"
    )
    accuracies: tuple[float, float]
    rights: tuple[int, int] = Field(description="validation pictures")
    versions: dict[str, tuple[str, str]] = Field(description="that differ")
    plan: dict[str, tuple[str, str]] = Field(
        description="decisions that differ, by their names in training.json"
    )
    is_replanned: bool = Field(
        description="they do by other rules, which changed between versions; not by measurements"
    )
    is_same: bool

    @classmethod
    def of(cls, found: Repetition) -> Self:
        """Show a comparison; JSON has no infinite numbers."""
        told = found.as_json()
        if math.isinf(found.largest_difference):
            told["largest_difference"] = None
        return cls.model_validate(told)


class BlobAnswer(Shape):
    """Bytes of the store."""

    digest: str = Field(description="sha256, 64 hex digits")
    size_bytes: int
