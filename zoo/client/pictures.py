"""Pictures for the models of another zoo, and what they say of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from urllib3.filepost import encode_multipart_formdata

from zoo.client.reading import Asking
from zoo.client.remote import Query
from zoo.domain.geometry import Geometry
from zoo.domain.prediction import ClassScore, MapPrediction, ScoreMap
from zoo.images.file import open_picture
from zoo.operations.heat import HeatOptions, HeatReport, ReadScale, check_options, list_best_cells


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassMaps:
    label: str
    index: int
    probability: float
    maps: list[list[list[float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Map:
    model: str
    provider: str
    size_px: tuple[int, int]
    geometry: dict[str, Any]
    scales: tuple[ReadScale, ...]
    scores: tuple[ClassScore, ...]
    classes: list[_ClassMaps]


class Pictures(Asking):
    """Pictures in, what is seen where out."""

    __slots__ = ()

    def draw_heat(
        self, address: str, picture: tuple[str, Path], options: HeatOptions
    ) -> HeatReport:
        """Draw where on a picture a class is, and tell of it."""
        check_options(options.reading)
        revision = self.get_revision(address).address
        name, path = picture
        body, media = _as_form(name, path)

        def ask(verb: str, query: Query) -> bytes:
            at = self.at(revision, verb)
            return self.remote.post_for_bytes(
                at, body, media=media, query={**_reading(options), **query}
            )

        told = self.remote.parsed(ask("map", {"top": 1, "scores": options.top}))
        found = self.read(_Map, told)
        prediction = self._as_prediction(name, found)
        drawing = options.drawing
        return HeatReport(
            picture=name,
            model=found.model,
            provider=found.provider,
            size_px=found.size_px,
            geometry=prediction.geometry,
            scales=found.scales,
            scores=found.scores,
            shown=prediction.scores[0],
            cells=tuple(list_best_cells(prediction, 0, options.cells)),
            png=ask(
                "heatmap",
                {
                    "opacity": drawing.opacity,
                    "scaling": drawing.scaling.value,
                    "legend": drawing.has_legend,
                },
            ),
            npy=ask("map", {"format": "npy"}) if options.has_npy else None,
        )

    def _as_prediction(self, name: str, found: _Map) -> MapPrediction:
        """Give the map of the one class that is told; of the picture only its size is known."""
        try:
            (one,) = found.classes
            cells = [np.array(rows, np.float32)[np.newaxis] for rows in one.maps]
            maps = tuple(
                ScoreMap(scale=read.scale, size_px=read.size_px, cells=values)
                for read, values in zip(found.scales, cells, strict=True)
            )
            if any(
                one.map_size != read.map_size for one, read in zip(maps, found.scales, strict=True)
            ):
                raise ValueError("a map is not of the size that is told")  # noqa: TRY301
            geometry = Geometry.from_json(found.geometry)
        except (ValueError, KeyError) as error:
            raise self.remote.unlike(error) from error
        return MapPrediction(
            picture=name,
            model=found.model,
            provider=found.provider,
            geometry=geometry,
            pixels=np.broadcast_to(np.uint8(0), (*found.size_px, 3)),
            maps=maps,
            scores=(ClassScore(label=one.label, index=one.index, probability=one.probability),),
            asked=(),
        )


def _reading(options: HeatOptions) -> dict[str, object]:
    """Give the part of a query that says how a picture is read."""
    return {
        "label": options.label,
        "short_side": options.short_side_px,
        "scale": options.scales,
        "tile": options.tile_px,
    }


def _as_form(name: str, picture: Path) -> tuple[bytes, str]:
    """Give a picture as the body of a form, whose part is called as errors are to call it."""
    with open_picture(picture, name=name) as file:
        data = file.read()
    return encode_multipart_formdata({"picture": (name, data, "application/octet-stream")})
