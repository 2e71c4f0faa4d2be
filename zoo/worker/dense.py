"""Measures what the certificate of a dense network says, and sees that it holds."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch.fx import GraphModule

from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.surgery import Pads
from zoo.domain.weights import Array
from zoo.errors import ParityBroken, PictureTooSmall
from zoo.export.onnx import PROBABILITIES
from zoo.export.parity import check_blobs
from zoo.export.pictures import IMAGES
from zoo.networks.preprocess import Preprocess
from zoo.worker.certificate import Certificate, Size, Sizes
from zoo.worker.measuring import Bench, Means, Subject, compare_means, larger_size, run_network
from zoo.worker.pictures import draw_noise
from zoo.worker.progress import Progress

SIZES = 8  # of pictures, that the graph is tried at


def certify(
    subject: Subject,
    graph: bytes | None,
    progress: Progress,
    *,
    sizes_px: Sequence[Size] = (),
    means: Means | None = None,
) -> Certificate:
    """Measure all that a certificate holds; ``sizes_px`` are larger sizes instead of our own.

    Without a graph nothing is compared with it.

    Raises:
        PictureTooSmall: one of the sizes gives no cell.
        ParityBroken: the dense network is not what it was made of, where it has to be, or the graph
            is not the network.
    """
    check_sizes(subject.geometry, sizes_px)
    progress.say("certify", "comparing it with the network it was made of")
    bench = Bench.of(subject)
    native = bench.native()
    larger = tuple(sizes_px) or (larger_size(subject.geometry),)
    crops = tuple(bench.crops(size) for size in larger)
    is_removed = subject.surgery.pads is Pads.REMOVE
    windows = bench.windows(larger[0]) if is_removed else None
    sizes = None
    if graph is not None:
        progress.say("certify", "comparing its graph with it, at several sizes")
        tried = [*list_sizes(subject.geometry), *sizes_px]
        preprocessing, geometry = subject.preprocessing, subject.geometry
        sizes = compare_sizes(subject.dense, graph, preprocessing, geometry, tried)
    return Certificate(
        surgery=subject.surgery,
        geometry=subject.geometry,
        native=native,
        crops=crops,
        windows=windows,
        sizes=sizes,
        mean=compare_means(subject, means) if means else None,
    )


def check_sizes(geometry: Geometry, sizes_px: Sequence[Size]) -> None:
    """Refuse sizes of pictures that give no cell.

    Raises:
        PictureTooSmall: there is one; the smallest that gives one is told.
    """
    for size in sizes_px:
        if not all(geometry.map_size(size)):
            least = " x ".join(map(str, geometry.smallest_px))
            raise PictureTooSmall(
                f"A picture of {size[0]} x {size[1]} gives no cell;"
                f" the smallest is {least}, height x width.",
                hint="Check a larger one, or none: larger sizes are then chosen.",
                smallest_px=list(geometry.smallest_px),
            )


def list_sizes(geometry: Geometry) -> list[Size]:
    """List sizes that roundings show up in: the smallest, odd and even, square and not."""
    smallest = geometry.smallest_px
    high, wide = (
        max(least, side) for least, side in zip(smallest, geometry.native_px, strict=True)
    )
    down, right = geometry.height.stride_px, geometry.width.stride_px
    wanted = [
        smallest,
        (high, wide),
        (high + 1, wide + 1),
        (high, wide + right),
        (high + down - 1, wide + 2),
        (high + down + 3, wide + right // 2),
        (high + 2 * down + 1, wide + right + 1),
        (high + down, wide + 2 * right - 1),
        *((high + more, wide + 2 * more) for more in range(2, SIZES)),
    ]
    return list(islice(dict.fromkeys(wanted), SIZES))


def compare_sizes(
    dense: GraphModule,
    graph: bytes | Path,
    preprocessing: Preprocessing,
    geometry: Geometry,
    sizes_px: Sequence[Size],
) -> Sizes:
    """Compare graph and network at several sizes, and both with the formula for the map's size.

    Raises:
        ParityBroken: they differ by more than 1e-4 of the largest probability, or a map has another
            size.
    """
    prepare = Preprocess(preprocessing)

    def run(given: Mapping[str, Array]) -> Mapping[str, Array]:
        images = given[IMAGES]
        found = run_network(dense, prepare(torch.tensor(images)))
        expected = geometry.map_size((images.shape[1], images.shape[2]))
        if tuple(found.shape[2:]) != expected:
            raise ParityBroken(
                f"Pictures of {images.shape[1]} x {images.shape[2]} give a map of"
                f" {tuple(found.shape[2:])}, not {expected} as the formula says."
            )
        return {PROBABILITIES: found.numpy()}

    sizes = tuple(dict.fromkeys(sizes_px))
    pictures = ({IMAGES: draw_noise(1 + number % 2, size)} for number, size in enumerate(sizes))
    return Sizes(
        sizes_px=sizes,
        map_sizes=tuple(geometry.map_size(size) for size in sizes),
        parity=check_blobs(run, graph, pictures),
    )
