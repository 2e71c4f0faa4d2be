"""Checkpoints that are to be imported: which files, and what is told beyond them."""

from typing import Annotated, Any, Self

from pydantic import Field

from zoo.domain.checkpoint import Wishes
from zoo.domain.preprocessing import Channels, Interpolation, Resize
from zoo.domain.reading import MOST_CLASSES
from zoo.operations.import_ import Begun, ImportOptions
from zoo.web.shapes.base import WITHOUT_NUL, Shape
from zoo.web.shapes.jobs import JobAnswer
from zoo.web.shapes.models import RevisionAnswer
from zoo.web.shapes.uploads import MOST_FILES, Digest

MOST_LETTERS = 1000  # of a label
MOST_CHANNELS = 16
MOST_PX = 2**16

Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Number | Annotated[list[Number], Field(min_length=1, max_length=MOST_CHANNELS)]
Label = Annotated[str, Field(max_length=MOST_LETTERS, pattern=WITHOUT_NUL)]


class PreprocessingBody(Shape):
    """What wins over what the files and the library say of the preprocessing."""

    channels: Channels | None = Field(default=None, description="the order of the channels")
    mean: Numbers | None = Field(default=None, description="per channel, in that order, or one")
    std: Numbers | None = Field(default=None, description="divisors after the mean")
    scale: Number | None = Field(default=None, description="factor on 0..255, before the mean")
    resize: Resize | None = Field(default=None, description="how the shape is treated")
    resize_px: int | None = Field(default=None, ge=1, le=MOST_PX, description="before the crop")
    interpolation: Interpolation | None = None


class ImportBody(Shape):
    """A checkpoint whose files were uploaded before."""

    files: dict[str, Digest] = Field(max_length=MOST_FILES, description="path to sha256")
    tag: str | None = Field(
        default=None, max_length=128, pattern=WITHOUT_NUL, description="a ref beside main"
    )
    architecture: str | None = Field(
        default=None,
        max_length=200,
        pattern=WITHOUT_NUL,
        description="what network the weights are of: torchvision:NAME or timm:NAME",
    )
    labels: list[Label] | None = Field(default=None, max_length=MOST_CLASSES)
    preprocessing: PreprocessingBody | None = None
    check: str | None = Field(
        default=None, pattern=WITHOUT_NUL, description="the dataset to measure the accuracy on"
    )

    def options(self, name: str) -> ImportOptions:
        """Give what the operation takes."""
        given: dict[str, Any] | None = None
        if self.preprocessing is not None:
            given = self.preprocessing.model_dump(mode="json", exclude_none=True)
        labels = None if self.labels is None else tuple(self.labels)
        return ImportOptions(
            name=name,
            tag=self.tag,
            wishes=Wishes(
                architecture=self.architecture, preprocessing=given or None, labels=labels
            ),
            check=self.check,
        )


class BegunAnswer(Shape):
    """What became of an import so far."""

    notes: list[str] = Field(description="what is not as a reader would expect")
    parameters: int
    job: JobAnswer | None = Field(description="that makes it able to predict")
    revision: RevisionAnswer | None = Field(description="what was stored, where there is no job")
    reason: str = Field(description="why there is none")

    @classmethod
    def of(cls, begun: Begun) -> Self:
        """Show what became of an import."""
        return cls.model_validate(begun)
