"""A picture that was tried, for a page to show: its classes, and where a dense model sees them."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.domain.geometry import Side
from zoo.domain.prediction import ClassScore, MapPrediction, Prediction
from zoo.images.heat import as_jpeg, as_small_png, colour
from zoo.operations.heat import MapOptions, Scaling, predict_map
from zoo.operations.opening import Zoo
from zoo.operations.predict import predict
from zoo.serving.asking import PLAIN, Terms
from zoo.serving.service import Service

MOST_CELLS = 4000  # of a class that are told one by one

Source = bytes | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says of a picture, and how long that took."""

    prediction: Prediction
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Where a class is seen."""

    score: ClassScore  # of the whole picture
    png: bytes  # a pixel a cell, in viridis
    cells: tuple[tuple[float, ...], ...]  # rows of probabilities; empty where there are too many


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A picture with the maps of its best classes."""

    model: str
    provider: str
    jpeg: bytes  # the picture as it was read
    size_px: tuple[int, int]  # height, width
    map_size: tuple[int, int]  # rows, columns
    across: Side
    down: Side
    shown: tuple[float, float]  # what the first and the last colour stand for
    classes: tuple[Seen, ...]
    took_ms: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Give where the cells lie on the picture: x, y, width, height.

        Each is drawn as the square around the middle of its window that is nearest to it.
        """
        rows, columns = self.map_size
        x = self.across.centre(0) - self.across.stride_px / 2
        y = self.down.centre(0) - self.down.stride_px / 2
        return x, y, columns * self.across.stride_px, rows * self.down.stride_px


def try_picture(  # noqa: PLR0913  # on what terms is the last
    zoo: Zoo,
    service: Service,
    address: str,
    picture: tuple[str, Source],
    *,
    top: int,
    terms: Terms = PLAIN,
) -> Answer:
    """Predict one picture, and take the time.

    Raises:
        As ``predict``.
    """
    begun_s = time.monotonic()
    (prediction,) = predict(zoo, service, address, [picture], top=top, terms=terms)
    return Answer(prediction=prediction, took_ms=1000 * (time.monotonic() - begun_s))


def look_at(  # noqa: PLR0913  # what is looked at, and how it is shown
    zoo: Zoo,
    service: Service,
    address: str,
    picture: tuple[str, Source],
    *,
    short_side_px: int,
    top: int,
    scaling: Scaling,
) -> Sight:
    """Read a picture into the maps of its best classes.

    Raises:
        As ``predict_map``.
    """
    begun_s = time.monotonic()
    options = MapOptions(short_side_px=short_side_px)
    found = predict_map(zoo, service, address, picture, options)
    took_ms = 1000 * (time.monotonic() - begun_s)
    (one,) = found.maps
    best = found.scores[:top]
    ends = _range(found, best, scaling)
    height, width, _ = found.pixels.shape
    return Sight(
        model=found.model,
        provider=found.provider,
        jpeg=as_jpeg(found.pixels),
        size_px=(height, width),
        map_size=one.map_size,
        across=found.geometry.width,
        down=found.geometry.height,
        shown=ends,
        classes=tuple(_seen(one.cells[score.index], score, ends) for score in best),
        took_ms=took_ms,
    )


def _range(
    found: MapPrediction, best: tuple[ClassScore, ...], scaling: Scaling
) -> tuple[float, float]:
    """Say which probabilities the first and the last colour stand for, in all maps alike."""
    if scaling is Scaling.FIXED:
        return 0.0, 1.0
    shown = found.maps[0].cells[[score.index for score in best]]
    return float(shown.min()), float(shown.max())


def _seen(cells: NDArray[np.float32], score: ClassScore, ends: tuple[float, float]) -> Seen:
    rows: tuple[tuple[float, ...], ...] = ()
    if cells.size <= MOST_CELLS:
        rows = tuple(tuple(round(number, 4) for number in row) for row in cells.tolist())
    return Seen(score=score, png=as_small_png(colour(cells, ends)), cells=rows)
