"""One ONNX Runtime session that gives maps: scores of every class in every cell of a picture."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import MOST_PX
from zoo.errors import Invalid, NotRunnable, PictureTooSmall, TooLarge, Unsupported
from zoo.serving.predictor import AUTO, Opened, Opening, Predictor, as_classifier, open_session
from zoo.serving.signature import check_dense_signature
from zoo.serving.tiles import Span, plan_spans, smallest_tile_px

GEOMETRY = "zoo.dense"  # the metadata that makes a graph dense
MOST_NUMBERS = 2**27  # of a map: 512 MiB
TOLD = 3  # layers that an error names at most


@dataclass(frozen=True, slots=True, kw_only=True)
class DensePredictor(Predictor):
    """A session whose graph gives N x K x h x w, with the geometry of its maps."""

    geometry: Geometry

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give N x K probabilities for N x H x W x 3 pictures: each map's average over its cells.

        Raises:
            PictureTooSmall: they give no cell.
            NotRunnable: the graph fails on them, or gives something else.
        """
        averages: NDArray[np.float32] = self.read_maps(images).mean(axis=(2, 3))
        return averages

    def score_map(
        self, pixels: NDArray[np.uint8], *, tile_px: int | None = None
    ) -> NDArray[np.float32]:
        """Give the K x h x w probabilities of one H x W x 3 uint8 RGB picture of any size.

        Where a side is longer than ``tile_px``, the picture is read tile by tile, and the map is
        the same: cells are computed where all that they see is there.

        Raises:
            PictureTooSmall: it gives no cell.
            TooLarge: its map would be.
            Invalid: not one cell can be computed from such a tile.
            Unsupported: tiles are needed, and cells depend on more than their windows.
            NotRunnable: the graph fails, or gives something else.
        """
        height, width, _ = pixels.shape
        rows, columns = self.check_size((height, width))
        if tile_px is None or max(height, width) <= tile_px:
            at_once: NDArray[np.float32] = self.read_maps(pixels[np.newaxis])[0]
            return at_once
        self.check_tiles(tile_px, (height, width))
        whole = np.empty((len(self.labels), rows, columns), np.float32)
        across = plan_spans(self.geometry.width, width, tile_px)
        for down in plan_spans(self.geometry.height, height, tile_px):
            for span in across:
                whole[:, down.first : down.last, span.first : span.last] = self._read_tile(
                    pixels, down, span
                )
        return whole

    def read_maps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give the N x K x h x w maps, of the size that the geometry tells.

        Raises:
            PictureTooSmall: they give no cell.
            TooLarge: a map would be.
            NotRunnable: the graph fails, or gives something else.
        """
        count, height, width, _ = images.shape
        size = self.check_size((height, width))
        return self._run(images, (count, len(self.labels), *size))

    def check_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        """Give rows and columns of the map of a picture of this height and width.

        Raises:
            PictureTooSmall: there are none.
            TooLarge: there are too many.
        """
        rows, columns = self.geometry.map_size(size_px)
        if not rows or not columns:
            raise _too_small(size_px, self.geometry.smallest_px)
        if len(self.labels) * rows * columns > MOST_NUMBERS:
            raise TooLarge(
                f"The map would have {len(self.labels)} x {rows} x {columns} numbers;"
                f" at most {MOST_NUMBERS} are computed.",
                hint="Make the picture smaller: --short-side PIXELS",
            )
        return rows, columns

    def check_tiles(self, tile_px: int, size_px: tuple[int, int]) -> None:
        """Check that a picture of this height and width can be read in such tiles.

        Raises:
            Invalid: they are too small for one cell.
            Unsupported: cells depend on more than their windows.
        """
        if not self.geometry.is_local:
            raise _unsupported(self.geometry.whole_picture)
        sides = zip((self.geometry.height, self.geometry.width), size_px, strict=True)
        smallest = max((smallest_tile_px(side) for side, px in sides if px > tile_px), default=0)
        if tile_px < smallest:
            raise Invalid(
                f"A tile of {tile_px} pixels holds not one cell of this network with all it sees.",
                hint=f"Give tiles of at least {smallest} pixels: --tile {smallest}",
                smallest_px=smallest,
            )

    def _read_tile(
        self, pixels: NDArray[np.uint8], down: Span, across: Span
    ) -> NDArray[np.float32]:
        """Give the cells of a tile that are those of the whole picture."""
        tile = pixels[down.begin_px : down.end_px, across.begin_px : across.end_px]
        return self.read_maps(np.ascontiguousarray(tile[np.newaxis]))[0, :, down.kept, across.kept]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapReader:
    """Reads maps where a predictor would read their averages."""

    predictor: DensePredictor

    @property
    def provider(self) -> str:
        """Tell which execution provider really runs."""
        return self.predictor.provider

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give the maps, as `DensePredictor.read_maps`."""
        return self.predictor.read_maps(images)


def open_dense(graph: Path | bytes, *, device: str = "auto") -> DensePredictor:
    """Open a dense graph that the zoo exported.

    Raises:
        NotRunnable: the file is no graph that ONNX Runtime takes, or not of the form of the zoo's.
        Unsupported: CUDA was asked for and the session came up without it.
    """
    return _as_dense(open_session(graph, Opening(device=device)))


def open_graph(graph: Path | bytes, how: Opening = AUTO) -> Predictor:
    """Open a graph as what its metadata say it is: a dense network or a classifier.

    Raises:
        NotRunnable, Unsupported: as `open_dense`.
    """
    opened = open_session(graph, how)
    return _as_dense(opened) if GEOMETRY in opened.metadata else as_classifier(opened)


def _as_dense(opened: Opened) -> DensePredictor:
    """Take a session for a dense network's."""
    geometry = _read_geometry(opened)
    check_dense_signature(opened.session, opened.labels)
    # A network without its paddings may give no cell for the pictures it classified.
    crop = zip(opened.preprocessing.crop_px, geometry.smallest_px, strict=True)
    height, width = (max(sides) for sides in crop)
    return DensePredictor(
        session=opened.session,
        labels=opened.labels,
        preprocessing=replace(opened.preprocessing, crop_px=(height, width)),
        provider=opened.provider,
        geometry=geometry,
    )


def _read_geometry(opened: Opened) -> Geometry:
    """Read how the map lies over pictures.

    Raises:
        NotRunnable: the graph does not say it, or it cannot be so.
    """
    try:
        geometry = Geometry.from_json(json.loads(opened.metadata[GEOMETRY]))
        _check_smallest(geometry)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise NotRunnable(
            f"The graph does not say how its map lies over pictures: {error}.",
            hint="Make the dense model with the zoo: zoo dense MODEL",
        ) from error
    return geometry


def _check_smallest(geometry: Geometry) -> None:
    """Check that the smallest picture gives a cell, and is one that could be prepared."""
    if max(geometry.smallest_px) > MOST_PX or not all(geometry.map_size(geometry.smallest_px)):
        raise ValueError(f"a picture of {geometry.smallest_px} pixels is no smallest one")


def _too_small(size_px: tuple[int, int], smallest_px: tuple[int, int]) -> PictureTooSmall:
    (height, width), (least_height, least_width) = size_px, smallest_px
    return PictureTooSmall(
        f"A picture {width} pixels wide and {height} high gives no cell;"
        f" the smallest is {least_width} wide and {least_height} high.",
        hint=f"Give a larger picture, or enlarge this one: --short-side {max(smallest_px)}",
        smallest_px=list(smallest_px),
    )


def _unsupported(layers: tuple[str, ...]) -> Unsupported:
    more = f" and {len(layers) - TOLD} more" if len(layers) > TOLD else ""
    return Unsupported(
        "The network cannot read a picture in tiles: every cell depends on the whole of it, by"
        f" {', '.join(layers[:TOLD])}{more}.",
        hint="Read it at once: raise ZOO_TILE_PX, or make it smaller with --short-side PIXELS.",
        layers=list(layers),
    )
