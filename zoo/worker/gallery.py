"""The validation pictures that a fine-tune gets wrong: listed, and shown on a small sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.preprocessing import Preprocessing
from zoo.images.contact_sheet import Tile, draw_jpeg_sheet
from zoo.operations.opening import Zoo
from zoo.worker.album import Album

LISTED = 200  # in training.json
SHOWN = 24  # in the report, which stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A picture that is taken for something else."""

    picture: Picture
    said: str
    probability: float
    truth_probability: float

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            "picture": self.picture.path,
            "digest": self.picture.digest,
            "label": self.picture.label,
            "said": self.said,
            "probability": self.probability,
            "truth_probability": self.truth_probability,
        }


def list_wrong(dataset: Dataset, probabilities: NDArray[np.float32]) -> tuple[Wrong, ...]:
    """List wrong pictures, the surest first, by N x K probabilities of the validation pictures."""
    index = {label: number for number, label in enumerate(dataset.classes)}
    found = [
        Wrong(
            picture=picture,
            said=dataset.classes[int(row.argmax())],
            probability=float(row.max()),
            truth_probability=float(row[index[picture.label]]),
        )
        for picture, row in zip(dataset.of_split(Split.VAL), probabilities, strict=True)
    ]
    wrong = [one for one in found if one.said != one.picture.label]
    return tuple(sorted(wrong, key=lambda one: -one.probability)[:LISTED])


def draw_gallery(zoo: Zoo, preprocessing: Preprocessing, wrong: Sequence[Wrong]) -> bytes | None:
    """Draw the surest of them as the network sees them, as JPEG; None where nothing is wrong."""
    album = Album(zoo=zoo, preprocessing=preprocessing)
    tiles = [
        Tile(
            pixels=album.read(one.picture.digest, name=one.picture.path),
            lines=(
                f"is {one.picture.label} ({one.truth_probability:.2f})",
                f"said {one.said} ({one.probability:.2f})",
            ),
        )
        for one in wrong[:SHOWN]
    ]
    return draw_jpeg_sheet(tiles) if tiles else None
