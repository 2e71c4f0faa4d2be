"""What a predictor says of a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.domain.geometry import Geometry


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inference:
    """The probabilities of every class for each picture of one request."""

    model: str  # "model@revision" that answered
    provider: str  # the execution provider that really ran
    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]  # N x K


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreMap:
    """The probabilities of every class in every cell of a picture, read at one scale."""

    scale: float  # the factor by which the picture was resized
    size_px: tuple[int, int]  # height, width of what was read then
    cells: NDArray[np.float32]  # K x h x w

    @property
    def map_size(self) -> tuple[int, int]:
        """Give rows and columns."""
        _, rows, columns = self.cells.shape
        return rows, columns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapPrediction:
    """Where on a picture a dense network sees which class."""

    picture: str
    model: str  # "model@revision" that answered
    provider: str  # the execution provider that really ran
    geometry: Geometry
    pixels: NDArray[np.uint8]  # H x W x 3: the picture that the maps are laid over
    maps: tuple[ScoreMap, ...]  # one per scale
    # Of the whole picture: averages over the cells of a map and then over the scales.
    scores: tuple[ClassScore, ...]  # of every class, the most probable first
    asked: tuple[ClassScore, ...]  # of the classes that were asked for, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a map, and which pixels of the picture it sees."""

    scale: float
    row: int
    column: int
    probability: float
    box_px: tuple[int, int, int, int]  # left, top, right, bottom; ends are behind the last pixel
