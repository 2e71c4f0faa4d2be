"""Models that nobody has trained: what is asked for."""

from typing import Annotated

from pydantic import Field

from zoo.domain.reading import MOST_CLASSES
from zoo.operations.create import DEFAULT, CreateOptions
from zoo.web.shapes.base import WITHOUT_NUL
from zoo.web.shapes.measuring import DATASET, Name, SchemeText
from zoo.web.shapes.terms import TermsBody

MOST_PROTOTXT = 2**19  # letters

Label = Annotated[str, Field(max_length=1000, pattern=WITHOUT_NUL)]


class CreationBody(TermsBody):
    """A model to be created: an architecture whose filters hold first numbers alone."""

    name: Name
    architecture: Name = Field(
        description="torchvision:NAME or timm:NAME; with a prototxt, what that is called"
    )
    prototxt: str | None = Field(
        default=None,
        max_length=MOST_PROTOTXT,
        pattern=WITHOUT_NUL,
        description="the content of a deploy.prototxt or train_val.prototxt",
    )
    init: SchemeText = DEFAULT
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    data: Name | None = Field(default=None, description=f"{DATASET}, that the scheme looks at")
    classes: int | None = Field(default=None, ge=1, le=10**6)
    labels: list[Label] | None = Field(default=None, max_length=MOST_CLASSES)

    @property
    def options(self) -> CreateOptions:
        """Give what the operation takes."""
        return CreateOptions(
            name=self.name,
            architecture=self.architecture,
            init=self.init,
            seed=self.seed,
            data=self.data,
            classes=self.classes,
            labels=None if self.labels is None else tuple(self.labels),
            prototxt=self.prototxt,
        )
