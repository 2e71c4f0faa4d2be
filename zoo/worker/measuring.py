"""Holds a dense network against the one it was made of: at its size, cell by cell, crop by crop."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.nn import functional

from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.surgery import Convolutionalize, Pads
from zoo.domain.weights import Array
from zoo.errors import ParityBroken
from zoo.export.parity import Agreement, compare_rows, join_rows
from zoo.networks.classifier import Classifier, with_probabilities
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.preprocess import Preprocess
from zoo.worker.certificate import Crops, Mean, Native, Size
from zoo.worker.pictures import draw_pictures

EXACT = 1e-5  # of the largest probability beside it; what two orders of summing differ by
EXACT_DOUBLE = 1e-8  # likewise, of numbers of 64 bits
NOISE, SMOOTH = 3, 3  # pictures of a kind
MOST_CROPS = 64  # of a picture, spread over its map
FURTHER = 3  # strides, by which the larger picture is larger
BATCH = 8

Measured = TypeVar("Measured", Native, Crops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dense network, and what it was made of."""

    original: GraphModule
    dense: GraphModule
    surgery: Convolutionalize
    geometry: Geometry
    preprocessing: Preprocessing  # of the dense network: numbers per channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The original with its mean image, which the dense network cannot have."""

    preprocessing: Preprocessing
    image: Array


def larger_size(geometry: Geometry) -> Size:
    """Give a size that has some cells more in both directions."""
    sides = geometry.height, geometry.width
    high, wide = (
        max(native, side.smallest_px) + FURTHER * side.stride_px
        for native, side in zip(geometry.native_px, sides, strict=True)
    )
    return high, wide


def compare_means(subject: Subject, means: Means) -> Mean:
    """Tell what the averages of a mean image change."""
    images = draw_pictures(subject.geometry.native_px, noise=NOISE, smooth=SMOOTH)
    with_image = Classifier(subject.original, means.preprocessing, means.image)
    with_numbers = Classifier(subject.original, replace(means.preprocessing, **_numbers(subject)))
    return Mean(
        mean=subject.preprocessing.mean,
        agreement=compare_rows(
            with_image.probabilities(images), with_numbers.probabilities(images)
        ),
    )


def _numbers(subject: Subject) -> dict[str, Any]:
    return {"mean": subject.preprocessing.mean, "mean_tensor": None}


@dataclass(frozen=True, slots=True)
class _Crop:
    """What is cut out for a cell: how large, and where the first cell's begins."""

    size_px: Size
    begin_px: Size

    def cut(self, pictures: Tensor, corner: Size) -> Tensor:
        (height, width), (y, x) = self.size_px, corner
        return pictures[:, :, y : y + height, x : x + width]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a dense network is measured against: the original, and one that is plainly dense."""

    subject: Subject
    plain: GraphModule  # dense, with its padding and without a border
    geometry: Geometry  # of the plain one
    prepare: Preprocess
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(cls, subject: Subject) -> Self:
        """Make the plain dense network."""
        surgery = replace(subject.surgery, pads=Pads.KEEP, border_px=0)
        plain = convolutionalize(subject.original, surgery)
        return cls(
            subject=subject,
            plain=plain,
            geometry=measure_geometry(plain, surgery),
            prepare=Preprocess(subject.preprocessing),
        )

    @property
    def is_plain(self) -> bool:
        """Tell whether the dense network is the plain one."""
        return self.subject.surgery.pads is Pads.KEEP and not self.subject.surgery.border_px

    @property
    def is_exact(self) -> bool:
        """Tell whether cells are the original on crops: it sees no padding of a crop's edges."""
        sides = zip(
            (self.geometry.height, self.geometry.width), self.geometry.native_px, strict=True
        )
        return self.geometry.is_local and all(
            side.start_px >= 0 and side.window(0)[1] <= native for side, native in sides
        )

    def native(self) -> Native:
        """Compare with the original at its size; or, with the plain one, cell by cell.

        Raises:
            ParityBroken: they differ by more than rounding.
        """
        return self._prove(lambda bench: bench._native(), "what it is made of")  # noqa: SLF001  # another bench

    def _native(self) -> Native:
        size = self.geometry.native_px if self.is_plain else larger_size(self.subject.geometry)
        pictures = self._draw(size, NOISE, SMOOTH)
        found = run_network(self.subject.dense, pictures)
        if self.is_plain:
            expected = _classify(self.subject.original, pictures)[..., None, None]
        else:
            top, left = self._first_cell()
            kept = run_network(self.plain, self._bordered(pictures))
            expected = kept[:, :, top : top + found.shape[2], left : left + found.shape[3]]
        rows = _rows(expected)
        return Native(
            size_px=size,
            is_original=self.is_plain,
            is_flat=bool((rows == rows[0]).all()),
            agreement=compare_rows(rows, _rows(found)),
        )

    def crops(self, size: Size) -> Crops:
        """Hold cells against the original on the crop under each.

        Raises:
            ParityBroken: they should be equal, and differ by more than rounding.
        """
        if self.is_exact:
            what = "the original on the crop under each cell"
            return self._prove(lambda bench: bench._crops(size), what)  # noqa: SLF001  # another bench
        return self._crops(size)

    def _crops(self, size: Size) -> Crops:
        crop = _Crop(self.geometry.native_px, self._begin(self.geometry))
        agreement = self._compare(size, crop, lambda cut: _classify(self.subject.original, cut))
        return self._as_crops(size, crop, agreement, is_exact=self.is_exact)

    def windows(self, size: Size) -> Crops:
        """Hold cells of a network without padding against itself on the window of each alone.

        Raises:
            ParityBroken: they differ by more than rounding.
        """
        return self._prove(lambda bench: bench._windows(size), "itself on each window alone")  # noqa: SLF001  # another bench

    def _windows(self, size: Size) -> Crops:
        surgery = replace(self.subject.surgery, border_px=0)
        alone = convolutionalize(self.subject.original, surgery)
        geometry = measure_geometry(alone, surgery)
        crop = _Crop(geometry.smallest_px, self._begin(geometry))
        agreement = self._compare(size, crop, lambda cut: run_network(alone, cut)[..., 0, 0])
        return self._as_crops(size, crop, agreement, is_exact=True)

    def _prove(self, measure: Callable[[Self], Measured], what: str) -> Measured:
        """Measure what has to be equal; where 32 bits round too much, in 64."""
        found = measure(self)
        if not _broken(found.agreement, EXACT):
            return found
        exact = measure(self._doubled()).agreement
        if broken := _broken(exact, EXACT_DOUBLE):
            raise ParityBroken(
                f"The dense network is not proven equal to {what}: {'; '.join(broken)}.",
                agreement=asdict(exact),
            )
        return replace(found, in_double=exact)

    def _doubled(self) -> Self:
        """Give the same networks with numbers of 64 bits."""
        subject = replace(
            self.subject,
            original=_double(self.subject.original),
            dense=_double(self.subject.dense),
        )
        return replace(self, subject=subject, plain=_double(self.plain), dtype=torch.float64)

    def _as_crops(self, size: Size, crop: _Crop, agreement: Agreement, *, is_exact: bool) -> Crops:
        return Crops(
            size_px=size,
            map_size=self.subject.geometry.map_size(size),
            crop_px=crop.size_px,
            is_exact=is_exact,
            agreement=agreement,
        )

    def _compare(self, size: Size, crop: _Crop, judge: Callable[[Tensor], Tensor]) -> Agreement:
        """Compare cells with what ``judge`` gives for the crop under each, where it lies inside."""
        pictures = self._draw(size, 1, 1)
        whole, found = self._bordered(pictures), run_network(self.subject.dense, pictures)
        places = self._places(crop, (whole.shape[2], whole.shape[3]), found.shape[2:])
        agreements = []
        for start in range(0, len(places), BATCH):
            chosen = places[start : start + BATCH]
            cells = [found[:, :, row, column] for (row, column), _ in chosen]
            expected = judge(torch.cat([crop.cut(whole, corner) for _, corner in chosen]))
            agreements.append(compare_rows(expected.numpy(), torch.cat(cells).numpy()))
        return join_rows(agreements)

    def _places(self, crop: _Crop, size: Size, cells: Sequence[int]) -> list[tuple[Size, Size]]:
        """Give cells, spread over the map, and the corner of the crop of each; those inside."""
        sides = self.geometry.height, self.geometry.width
        along = [
            [
                (cell, begin + side.stride_px * cell)
                for cell in range(count)
                if begin + side.stride_px * cell + length <= most
            ]
            for side, begin, length, most, count in zip(
                sides, crop.begin_px, crop.size_px, size, cells, strict=True
            )
        ]
        every = [((row, column), (y, x)) for (row, y), (column, x) in product(*along)]
        chosen = np.linspace(0, len(every) - 1, min(MOST_CROPS, len(every))).round().astype(int)
        return [every[index] for index in chosen]

    def _first_cell(self) -> Size:
        """Tell which cell of the plain network, on bordered pictures, is this one's first."""
        top, left = self._begin(self.geometry)
        return top // self.geometry.height.stride_px, left // self.geometry.width.stride_px

    def _begin(self, geometry: Geometry) -> Size:
        """Tell where, on bordered pictures, another map has to begin to have this one's cells."""
        border, ours = self.subject.surgery.border_px, self.subject.geometry
        return (
            ours.height.start_px + border - geometry.height.start_px,
            ours.width.start_px + border - geometry.width.start_px,
        )

    def _draw(self, size: Size, noise: int, smooth: int) -> Tensor:
        images = draw_pictures(size, noise=noise, smooth=smooth)
        prepared: Tensor = self.prepare(torch.tensor(images))
        return prepared.to(self.dtype)

    def _bordered(self, pictures: Tensor) -> Tensor:
        return functional.pad(pictures, (self.subject.surgery.border_px,) * 4)


def _broken(agreement: Agreement, tolerance: float) -> list[str]:
    """Say why networks are not equal; nothing if they are."""
    reasons = {
        f"a probability differs by {agreement.max_rel_difference:.2g} of the largest beside it,"
        f" more than {tolerance:.0e}": agreement.max_rel_difference > tolerance,
        f"the best class differs in {agreement.top1_differing} of {agreement.rows} cells": (
            agreement.top1_differing > 0
        ),
    }
    return [reason for reason, holds in reasons.items() if holds]


def _double(network: GraphModule) -> GraphModule:
    return copy.deepcopy(network).double()


def _rows(maps: Tensor) -> Array:
    """Give the cells of N x K x h x w maps as rows of K."""
    rows: Array = maps.movedim(1, -1).flatten(0, 2).numpy()
    return rows


def _classify(network: GraphModule, pictures: Tensor) -> Tensor:
    """Give N x K probabilities."""
    return run_network(with_probabilities(network), pictures).flatten(1)


def run_network(network: GraphModule, pictures: Tensor) -> Tensor:
    """Run a network on prepared pictures."""
    with torch.inference_mode():
        found: Tensor = network(pictures)
    return found
