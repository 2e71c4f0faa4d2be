"""What a network is made of."""

from typing import Self

from pydantic import Field

from zoo.domain.layers import Inventory
from zoo.domain.revision import Revision
from zoo.web.shapes.base import Shape


class WindowAnswer(Shape):
    """What each place of a layer's map sees of the picture, in pixels: height, width."""

    window_px: tuple[int, int] = Field(description="the receptive field")
    stride_px: tuple[int, int] = Field(description="from one place to the next")
    start_px: tuple[int, int] = Field(
        description="where the first place's window begins; below 0 in the padding"
    )


class LayerAnswer(Shape):
    """One value that a layer gives for one picture."""

    name: str
    kind: str
    output: list[int] | None = Field(description="its shape without the batch")
    parameters: int = Field(description="numbers that are learned, counted where first read")
    macs: int = Field(description="multiply-adds")
    window: WindowAnswer | None
    tensors: list[str] = Field(description="of model.safetensors, that the layer reads")


class LayersAnswer(Shape):
    """The layers of a revision's network, in the order in which they are computed."""

    model: str
    inputs: list[list[int]] = Field(description="the shape of each input, without the batch")
    parameters: int
    macs: int = Field(description="multiply-adds of one picture")
    layers: list[LayerAnswer]

    @classmethod
    def of(cls, revision: Revision, inventory: Inventory) -> Self:
        """Show what a revision says of its layers."""
        return cls.model_validate({"model": revision.address, **inventory.as_json()})
