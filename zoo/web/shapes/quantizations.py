"""Graphs of fewer bits: what is asked for."""

from pydantic import Field

from zoo.domain.quantization import (
    GATE_POINTS,
    MOST_PICTURES,
    PER_CENT,
    PICTURES,
    Precision,
)
from zoo.operations.quantize import QuantizeOptions
from zoo.web.shapes.terms import TermsBody


class QuantizeBody(TermsBody):
    """How fewer bits are laid over a graph, and what that may cost."""

    dataset: str = Field(description="name or name@id of a dataset of this zoo")
    name: str | None = Field(default=None, description="a model of its own, instead of a ref")
    precision: Precision = Field(
        default=Precision.INT8, description="int8 for CPUs, fp16 for GPUs; also the ref's name"
    )
    gate: float = Field(
        default=GATE_POINTS,
        ge=0,
        le=PER_CENT,
        allow_inf_nan=False,
        description="points of accuracy that may be lost",
    )
    pictures: int = Field(
        default=PICTURES,
        ge=1,
        le=MOST_PICTURES,
        description="training pictures, at most, that ranges are measured on",
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1)

    def options(self) -> QuantizeOptions:
        """Give what the operation takes."""
        return QuantizeOptions(
            name=self.name,
            precision=self.precision,
            gate_points=self.gate,
            pictures=self.pictures,
            seed=self.seed,
        )
