"""Networks under the knife: what is asked for."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.domain.reading import MOST_CLASSES
from zoo.domain.surgery import LONGEST_SIDE, Cut, FoldBatchNorm, Pads, ReplaceHead
from zoo.operations.surgery import MOST_SIZES, OWN_HEAD, DenseOptions
from zoo.web.shapes.base import WITHOUT_NUL, Shape
from zoo.web.shapes.terms import TermsBody

MOST_LETTERS = 1000  # of a layer's name, and of a label
MOST_HEADS = 16

Layer = Annotated[str, Field(min_length=1, max_length=MOST_LETTERS, pattern=WITHOUT_NUL)]
Label = Annotated[str, Field(max_length=MOST_LETTERS, pattern=WITHOUT_NUL)]
Pixels = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]


class DenseBody(TermsBody):
    """How a classifier is made dense."""

    name: str | None = Field(default=None, description="what the new model is called")
    pads: Pads = Field(
        default=Pads.KEEP, description="remove: cells that see the layers' padding are left out"
    )
    border_px: int = Field(
        default=0, ge=0, le=LONGEST_SIDE, description="zeros put around every picture"
    )
    check: list[tuple[Pixels, Pixels]] = Field(
        default=[],
        max_length=MOST_SIZES,
        description="sizes to measure at instead of the zoo's own: height, width",
    )

    def options(self) -> DenseOptions:
        """Give what the operation takes."""
        return DenseOptions(
            name=self.name,
            pads=self.pads,
            border_px=self.border_px,
            sizes_px=tuple(self.check),
        )


class CutBody(Shape):
    """The network up to a layer, whose values it gives."""

    kind: Literal["cut"]
    at: Layer

    def surgery(self) -> Cut:
        """Give the domain's value."""
        return Cut(at=self.at)


class FoldBody(Shape):
    """The network with batch normalisation folded into the weighted layers before it."""

    kind: Literal["fold_batch_norm"]

    def surgery(self) -> FoldBatchNorm:
        """Give the domain's value."""
        return FoldBatchNorm()


class ReplaceHeadBody(Shape):
    """The network with a new classifier, whose weights are 0."""

    kind: Literal["replace_head"]
    classes: int = Field(ge=1, le=MOST_CLASSES)
    at: Layer | None = Field(default=None, description="the head; the network's last one if none")
    also: list[Layer] = Field(
        default=[], max_length=MOST_HEADS, description="further heads that are replaced too"
    )

    def surgery(self) -> ReplaceHead:
        """Give the domain's value."""
        return ReplaceHead(at=self.at or OWN_HEAD, classes=self.classes, also=tuple(self.also))


class SurgeryBody(TermsBody):
    """A surgery to be queued."""

    surgery: CutBody | FoldBody | ReplaceHeadBody = Field(discriminator="kind")
    name: str | None = Field(default=None, description="what the new model is called")
    labels: list[Label] | None = Field(
        default=None, description="of a new head's classes, in order"
    )
