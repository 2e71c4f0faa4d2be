"""Pictures in, classes out."""

from pydantic import Field

from zoo.domain.dataset import Split
from zoo.operations.answer_lines import Form
from zoo.web.shapes.base import Shape
from zoo.web.shapes.terms import TermsBody


class PredictQuery(Shape):
    """How much to say of a picture."""

    top: int = Field(default=5, ge=1, le=10_000, description="classes per picture")


class PredictionsBody(TermsBody):
    """Predictions of a dataset's pictures to be queued."""

    dataset: str = Field(description="name or name@id of a dataset of this zoo")
    split: Split | None = Field(default=None, description="of the dataset; all its pictures else")
    top: int = Field(default=5, ge=1, le=10_000, description="classes per picture")
    form: Form = Field(default=Form.JSONL, description="of the file: JSON Lines or CSV")


class ScoreAnswer(Shape):
    """One class and how probable it is."""

    label: str
    index: int
    probability: float


class PredictionAnswer(Shape):
    """What a predictor says of one picture."""

    picture: str
    model: str
    provider: str = Field(description="the execution provider that really ran")
    scores: list[ScoreAnswer]


class PredictionsAnswer(Shape):
    """What a predictor says of each picture sent, in their order."""

    predictions: list[PredictionAnswer]
