"""What a predictor says of a picture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class and how probable it is."""

    label: str
    index: int
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The classes of one picture, the most probable first."""

    picture: str
    model: str  # "model@revision" that answered
    provider: str  # the execution provider that really ran
    scores: tuple[ClassScore, ...]
