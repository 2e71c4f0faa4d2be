"""A picture in, and where on it which class is seen out."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo.domain.prediction import ClassScore, MapPrediction
from zoo.operations.heat import MOST_SCALES, MapOptions, Scaling
from zoo.web.shapes.base import Shape
from zoo.web.shapes.predictions import ScoreAnswer

MOST_LABELS = 100
MOST_SIDE_PX = 2**16
Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ReadingQuery(Shape):
    """How a picture is read into maps."""

    short_side: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SIDE_PX,
        description="pixels the picture's shorter side is resized to; its own where none is given",
    )
    scale: tuple[Scale, ...] = Field(
        default=(1.0,),
        min_length=1,
        max_length=MOST_SCALES,
        description="factors of that size at which the picture is read; given once for each",
    )
    tile: int | None = Field(
        default=None,
        ge=1,
        description="pixels of the side of tiles, at most ZOO_TILE_PX, which is also the default",
    )

    def options(self, labels: tuple[str, ...]) -> MapOptions:
        """Give what the operation takes."""
        return MapOptions(
            labels=labels, short_side_px=self.short_side, scales=self.scale, tile_px=self.tile
        )


class MapQuery(ReadingQuery):
    """Which maps of a picture, and in which form."""

    top: int = Field(
        default=5, ge=1, le=MOST_LABELS, description="classes whose maps are told, the best first"
    )
    label: tuple[str, ...] = Field(
        default=(),
        max_length=MOST_LABELS,
        description="classes, by name or index, whose maps are told instead; given once for each",
    )
    scores: int = Field(
        default=5, ge=0, le=10_000, description="classes told by the whole picture's scores alone"
    )
    format: Literal["json", "npy"] = Field(
        default="json",
        description="npy: the map of every class, float32, classes x rows x columns, of one scale",
    )


class HeatmapQuery(ReadingQuery):
    """Which map of a picture, and how it is shown."""

    label: str | None = Field(
        default=None, description="class, by name or index; the best of the whole picture if none"
    )
    opacity: float = Field(default=0.6, ge=0, le=1, description="of the colours on the picture")
    scaling: Literal[Scaling.FIXED, Scaling.OWN] = Field(
        default=Scaling.FIXED,
        description="fixed: the colours stand for 0 to 1; own: for the map's least to its largest",
    )
    legend: bool = Field(default=True, description="a strip below with the colours' values")


class SideAnswer(Shape):
    """One side of a map: cell i sees window_px pixels from stride_px * i + start_px on."""

    stride_px: int
    window_px: int
    start_px: int
    shift_px: int
    smallest_px: int = Field(description="of a picture that gives a cell")
    formula: str = Field(description="how many cells N pixels give")


class GeometryAnswer(Shape):
    """How the cells of a map lie over pictures."""

    height: SideAnswer
    width: SideAnswer
    native_px: tuple[int, int] = Field(description="height, width of what it classified")
    whole_picture: tuple[str, ...] = Field(description="layers that read all of the picture")


class ScaleAnswer(Shape):
    """A scale at which the picture was read."""

    scale: float
    size_px: tuple[int, int] = Field(description="height, width of what was read")
    map_size: tuple[int, int] = Field(description="rows, columns")


class ClassMapsAnswer(Shape):
    """One class: how probable it is on the whole picture, and in each cell."""

    label: str
    index: int
    probability: float = Field(description="average over the cells, then over the scales")
    maps: list[list[list[float]]] = Field(description="per scale, rows of cells")


class MapAnswer(Shape):
    """Where on a picture a dense model sees which class."""

    picture: str
    model: str
    provider: str = Field(description="the execution provider that really ran")
    size_px: tuple[int, int] = Field(description="height, width of the picture at scale 1")
    geometry: GeometryAnswer
    scales: list[ScaleAnswer]
    scores: list[ScoreAnswer] = Field(description="of the whole picture, the most probable first")
    classes: list[ClassMapsAnswer]

    @classmethod
    def of(cls, prediction: MapPrediction, told: Sequence[ClassScore], *, scores: int) -> Self:
        """Show the maps of some classes, and the scores of so many."""
        height, width, _ = prediction.pixels.shape
        return cls(
            picture=prediction.picture,
            model=prediction.model,
            provider=prediction.provider,
            size_px=(height, width),
            geometry=GeometryAnswer.model_validate(prediction.geometry),
            scales=[ScaleAnswer.model_validate(one) for one in prediction.maps],
            scores=[ScoreAnswer.model_validate(one) for one in prediction.scores[:scores]],
            classes=[
                ClassMapsAnswer(
                    label=score.label,
                    index=score.index,
                    probability=score.probability,
                    maps=[_rows(one.cells[score.index]) for one in prediction.maps],
                )
                for score in told
            ],
        )


def _rows(cells: NDArray[np.float32]) -> list[list[float]]:
    """Write a map down with nine digits a number, which are all that a float32 has."""
    return [[float(f"{number:.9g}") for number in row] for row in cells.tolist()]
