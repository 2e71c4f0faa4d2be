"""Where on a picture a dense model sees which class: maps of scores, and pictures of them."""

import io
import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL.Image import Image

from zoo.domain.geometry import Geometry
from zoo.domain.prediction import Cell, ClassScore, MapPrediction, ScoreMap
from zoo.domain.revision import Revision
from zoo.errors import Invalid, NotRunnable, TooLarge
from zoo.images.decode import decode
from zoo.images.heat import Heat, Range, add_legend, as_png, lay_over, spread
from zoo.images.prepare import resize_whole
from zoo.operations.classes import get_class
from zoo.operations.fetch import get_revision
from zoo.operations.opening import Zoo
from zoo.operations.predict import find_predictor, rank
from zoo.serving.dense import DensePredictor
from zoo.serving.service import Service
from zoo.serving.tiles import smallest_tile_px

MOST_SCALES = 8
Size = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions:
    """How a picture is read into maps."""

    labels: tuple[str, ...] = ()  # names or indices of the classes asked for
    short_side_px: int | None = None  # of the picture before it is scaled; None: its own
    scales: tuple[float, ...] = (1.0,)
    tile_px: int | None = None  # None: as the settings say


class Scaling(StrEnum):
    """Which probabilities the first and the last colour stand for."""

    FIXED = "fixed"  # 0 and 1
    OWN = "own"  # the least and the largest of the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How a map is shown."""

    opacity: float = 0.6
    scaling: Scaling = Scaling.FIXED
    has_legend: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatOptions:
    """Which map of a picture, how it is read and shown, and how much is told beside it."""

    label: str | None = None  # by name or index; None: the most probable class
    short_side_px: int | None = None
    scales: tuple[float, ...] = (1.0,)
    tile_px: int | None = None
    drawing: Drawing = Drawing()
    top: int = 5  # classes of the whole picture that are told
    cells: int = 3  # of the shown class's most probable ones
    has_npy: bool = False  # whether the whole map is given too, which has to be of one scale

    @property
    def reading(self) -> MapOptions:
        """How the picture is read."""
        return MapOptions(
            labels=() if self.label is None else (self.label,),
            short_side_px=self.short_side_px,
            scales=self.scales,
            tile_px=self.tile_px,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadScale:
    """A scale at which a picture was read."""

    scale: float
    size_px: Size  # of what was read
    map_size: Size  # rows, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatReport:
    """A picture of where a class is, and what is told of it."""

    picture: str
    model: str  # "model@revision" that answered
    provider: str
    size_px: Size  # of the picture at scale 1
    geometry: Geometry
    scales: tuple[ReadScale, ...]
    scores: tuple[ClassScore, ...]  # of the whole picture, the most probable first
    shown: ClassScore
    cells: tuple[Cell, ...]  # where it is most probable
    png: bytes
    npy: bytes | None


def report_heat(
    zoo: Zoo,
    service: Service,
    address: str,
    picture: tuple[str, bytes | Path],
    options: HeatOptions,
) -> HeatReport:
    """Draw where on a picture a class is, and tell of it.

    Raises:
        As ``predict_map`` and ``draw_heat``.
    """
    found = predict_map(zoo, service, address, picture, options.reading)
    (shown, *_) = found.asked or found.scores
    height, width, _ = found.pixels.shape
    return HeatReport(
        picture=found.picture,
        model=found.model,
        provider=found.provider,
        size_px=(height, width),
        geometry=found.geometry,
        scales=tuple(
            ReadScale(scale=one.scale, size_px=one.size_px, map_size=one.map_size)
            for one in found.maps
        ),
        scores=found.scores[: options.top],
        shown=shown,
        cells=tuple(list_best_cells(found, shown.index, options.cells)),
        png=draw_heat(found, shown, options.drawing),
        npy=as_npy(found.maps[0]) if options.has_npy else None,
    )


def predict_map(
    zoo: Zoo,
    service: Service,
    address: str,
    picture: tuple[str, bytes | Path],
    options: MapOptions | None = None,
) -> MapPrediction:
    """Compute the maps of a picture, given as (name, file or its bytes), one per scale.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or none that is dense.
        UnreadablePicture, PathNotFound: the picture cannot be read.
        PictureTooSmall: at some scale it gives no cell.
        TooLarge: at some scale it has more pixels than the settings allow, or its map is too large.
        Invalid: a class, a scale or the size of tiles cannot be used.
        Unsupported: the network cannot be read in tiles, and they are needed or were asked for.
        Overloaded: the picture is large, and too many of those wait to be decoded.
    """
    options = options or MapOptions()
    check_options(options)
    revision = get_revision(zoo, address)
    predictor = find_dense(zoo, service, revision)
    asked = [get_class(predictor.labels, label) for label in options.labels]
    name, source = picture
    limit = zoo.settings.max_picture_pixels
    with service.turns.hold() as take:
        image = decode(source, name=name, max_pixels=limit, take=take)
        base = _base_size((image.height, image.width), options.short_side_px)
        sizes = {scale: _scaled(base, scale, limit) for scale in (1.0, *options.scales)}
        maps = _compute(zoo, predictor, image, sizes, options)
        pixels = resize_whole(image, sizes[1.0], predictor.preprocessing.interpolation)
        del image
    averages = np.mean([one.cells.mean(axis=(1, 2)) for one in maps], axis=0)
    return MapPrediction(
        picture=name,
        model=revision.address,
        provider=predictor.provider,
        geometry=predictor.geometry,
        pixels=pixels,
        maps=maps,
        scores=rank(averages, predictor.labels),
        asked=tuple(
            ClassScore(
                label=predictor.labels[index], index=index, probability=float(averages[index])
            )
            for index in asked
        ),
    )


def find_dense(zoo: Zoo, service: Service, revision: Revision) -> DensePredictor:
    """Take a dense revision's predictor from the shelf, opened if need be.

    Raises:
        NotRunnable: the revision has no graph, or none that is dense.
    """
    predictor = find_predictor(zoo, service, revision)
    if not isinstance(predictor, DensePredictor):
        raise NotRunnable(
            f"{revision.address} is not dense: it gives one row of scores for a picture, no map.",
            hint=f"Make a dense model of it: zoo dense {revision.model}",
            revision=revision.address,
        )
    return predictor


def draw_heat(prediction: MapPrediction, shown: ClassScore, drawing: Drawing) -> bytes:
    """Give the map of a class, averaged over the scales, over its picture: the bytes of a PNG.

    Raises:
        Invalid: the opacity is not from 0 to 1.
    """
    if not 0 <= drawing.opacity <= 1:
        raise Invalid(
            f"An opacity of {drawing.opacity} cannot be used.",
            hint="0 shows the picture alone, 1 the map alone: --opacity 0.6",
        )
    heat = average_heat(prediction, shown.index)
    ends = _range(heat, drawing.scaling)
    painted = lay_over(prediction.pixels, heat, opacity=drawing.opacity, shown=ends)
    texts = {
        "model": prediction.model,
        "label": shown.label,
        "probability": f"{shown.probability:.6g}",
        "range": f"{ends[0]:.6g}..{ends[1]:.6g}",
    }
    return as_png(add_legend(painted, ends) if drawing.has_legend else painted, texts)


def average_heat(prediction: MapPrediction, index: int) -> Heat:
    """Spread a class's maps over the picture's pixels, H x W, and average them over the scales."""
    height, width, _ = prediction.pixels.shape
    heat = np.zeros((height, width), np.float32)
    for one in prediction.maps:
        heat += spread(
            one.cells[index],
            prediction.geometry,
            read_px=one.size_px,
            picture_px=(height, width),
        )
    heat /= len(prediction.maps)
    return heat


def as_npy(one: ScoreMap) -> bytes:
    """Give a map as the bytes of an npy file: float32, classes x rows x columns."""
    buffer = io.BytesIO()
    np.save(buffer, one.cells, allow_pickle=False)
    return buffer.getvalue()


def list_best_cells(prediction: MapPrediction, index: int, count: int) -> list[Cell]:
    """List the cells, of all scales, in which a class is most probable."""
    found = [
        _cell(prediction, one, place, index)
        for one in prediction.maps
        for place in np.argsort(-one.cells[index], axis=None, kind="stable")[:count].tolist()
    ]
    return sorted(found, key=lambda cell: -cell.probability)[:count]


def check_options(options: MapOptions) -> None:
    """Refuse what no picture can be read by.

    Raises:
        Invalid: a scale or a side cannot be used.
    """
    wrong = [scale for scale in options.scales if not 0 < scale < math.inf]
    if wrong or not 1 <= len(options.scales) <= MOST_SCALES:
        told = f"the scale {wrong[0]}" if wrong else f"{len(options.scales)} scales"
        raise Invalid(
            f"A picture cannot be read at {told}.",
            hint=f"Give 1 to {MOST_SCALES} numbers above 0: --scale 0.5 --scale 1 --scale 2",
        )
    for what, pixels in (("short side", options.short_side_px), ("tile", options.tile_px)):
        if pixels is not None and pixels < 1:
            raise Invalid(f"A {what} of {pixels} pixels cannot be.", hint="Give 1 pixel or more.")


def _base_size(size_px: Size, short_side_px: int | None) -> Size:
    """Give the size of the picture at scale 1, its shape kept."""
    if short_side_px is None:
        return size_px
    height, width = size_px
    short = min(size_px)
    return short_side_px * height // short, short_side_px * width // short


def _scaled(size_px: Size, scale: float, limit: int) -> Size:
    """Give the size of the picture at a scale, and refuse one of more pixels than the limit."""
    height, width = size_px
    if scale * height * scale * width > limit:
        raise TooLarge(
            f"At the scale {scale:g} the picture would have more than {limit} pixels.",
            hint="Give a smaller --short-side or --scale, or raise ZOO_MAX_PICTURE_PIXELS.",
            scale=scale,
        )
    return max(round(height * scale), 1), max(round(width * scale), 1)


def _compute(
    zoo: Zoo,
    predictor: DensePredictor,
    image: Image,
    sizes: dict[float, Size],
    options: MapOptions,
) -> tuple[ScoreMap, ...]:
    """Compute the map of each scale; what cannot be read is found before anything is."""
    tile_px = options.tile_px or _default_tile(zoo, predictor)
    for scale in options.scales:
        predictor.check_size(sizes[scale])
        if options.tile_px or max(sizes[scale]) > tile_px:
            predictor.check_tiles(tile_px, sizes[scale])
    interpolation = predictor.preprocessing.interpolation
    return tuple(
        ScoreMap(
            scale=scale,
            size_px=sizes[scale],
            cells=predictor.score_map(
                resize_whole(image, sizes[scale], interpolation), tile_px=tile_px
            ),
        )
        for scale in options.scales
    )


def _default_tile(zoo: Zoo, predictor: DensePredictor) -> int:
    """Give the side of tiles: as the settings say, or as large as one cell of the network asks."""
    sides = predictor.geometry.height, predictor.geometry.width
    return max(zoo.settings.tile_px, *map(smallest_tile_px, sides))


def _range(heat: Heat, scaling: Scaling) -> Range:
    if scaling is Scaling.FIXED:
        return 0.0, 1.0
    return float(heat.min()), float(heat.max())


def _cell(prediction: MapPrediction, one: ScoreMap, place: int, index: int) -> Cell:
    """Describe the cell at a place of a map, counted row by row."""
    row, column = divmod(place, one.map_size[1])
    sides = prediction.geometry.height, prediction.geometry.width
    (top, bottom), (left, right) = (
        _seen(side.window(cell), read, pixels)
        for side, cell, read, pixels in zip(
            sides, (row, column), one.size_px, prediction.pixels.shape[:2], strict=True
        )
    )
    return Cell(
        scale=one.scale,
        row=row,
        column=column,
        probability=float(one.cells[index, row, column]),
        box_px=(left, top, right, bottom),
    )


def _seen(window: tuple[int, int], read_px: int, picture_px: int) -> tuple[int, int]:
    """Give the part of a picture's side that a window sees, in the picture's own pixels."""
    begin, end = (min(max(edge, 0), read_px) * picture_px / read_px for edge in window)
    return math.floor(begin), math.ceil(end)
