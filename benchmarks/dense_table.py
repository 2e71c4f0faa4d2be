"""Dense networks of many architectures beside the classifiers they were made of: docs/dense.md.

    python benchmarks/dense_table.py [--write docs/dense.md] [--only resnet18] [--package FOLDER]

Each is built with weights drawn by ``he+lsuv`` (those of ``--package``, a folder that `zoo import`
takes, are its own), made dense, and held against the classifier at its own size, its map against
the formula at twice the size, its ONNX graph against torch at eight sizes. A row that does not hold
ends the command with an error.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.fx import GraphModule

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthetic import write_package

from zoo.domain.checkpoint import Wishes
from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Convolutionalize
from zoo.export.dense import write_dense
from zoo.filters.scheme import parse_scheme
from zoo.formats.table import read_checkpoint
from zoo.networks.build import build_network, load_weights
from zoo.networks.classifier import with_probabilities
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.initial import initialise
from zoo.networks.preprocess import Preprocess
from zoo.networks.vision import initial_weights

BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"
NATIVE = 1e-5  # largest difference at the classifier's own size, of the largest probability
ONNX = 1e-4  # likewise, of graph and torch
PICTURES = 4
SEEN = 8  # pictures that weights are scaled on
CAFFE = ("alexnet", "caffenet", "vgg")
TORCHVISION = {
    "alexnet": 224,
    "vgg11_bn": 224,
    "vgg16": 224,
    "resnet18": 224,
    "resnet50": 224,
    "resnext50_32x4d": 224,
    "squeezenet1_0": 224,
    "squeezenet1_1": 224,
    "mobilenet_v2": 224,
    "mobilenet_v3_small": 224,
    "densenet121": 224,
    "googlenet": 224,
    "inception_v3": 299,
    "shufflenet_v2_x1_0": 224,
    "mnasnet1_0": 224,
    "efficientnet_b0": 224,
    "regnet_y_400mf": 224,
    "convnext_tiny": 224,
}
TIMM = {"resnet26": 224, "convnext_atto": 224, "mobilenetv3_small_050": 224, "repvgg_a0": 224}
HEADER = (
    "| network | at its own size | top-1 | map at twice the size | smallest | window, stride"
    " | ONNX = torch | reads the whole picture in |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A classifier with weights, and the size it classifies at."""

    name: str
    network: GraphModule
    shape: tuple[int, int, int]


def main() -> None:
    """Measure one network after the other, print the table, and put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="torchvision:NAME, timm:NAME, caffe:NAME")
    parser.add_argument("--package", action="append", default=[], type=Path)
    parser.add_argument("--write", type=Path, help="the page whose table is replaced")
    options = parser.parse_args()
    makers = _makers()
    wanted = options.only or list(makers)
    makers |= {str(path): partial(_packaged, path) for path in options.package}
    rows = []
    print(HEADER)
    for name in [*wanted, *map(str, options.package)]:
        rows.append(measure(makers[name]()))
        print(rows[-1], flush=True)
    if options.write:
        page = options.write.read_text()
        begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
        table = "\n".join((HEADER, *rows))
        options.write.write_text(f"{page[:begin]}\n{table}\n{page[end:]}")


def _makers() -> dict[str, Callable[[], Subject]]:
    makers: dict[str, Callable[[], Subject]] = {
        f"caffe:{name}": partial(_drawn_caffe, name) for name in CAFFE
    }
    for kind, sizes in (("torchvision", TORCHVISION), ("timm", TIMM)):
        makers |= {
            f"{kind}:{name}": partial(_drawn_vision, kind, name, px) for name, px in sizes.items()
        }
    return makers


def _drawn_vision(kind: str, name: str, side_px: int) -> Subject:
    source = Source(kind=kind, architecture=name)
    network = build_network(Recipe(source=source), {})
    load_weights(network, initial_weights(source, seed=0))
    return _begun(Subject(name=f"{kind} {name}", network=network, shape=(3, side_px, side_px)))


def _drawn_caffe(name: str) -> Subject:
    with tempfile.TemporaryDirectory(prefix="zoo-benchmark-") as folder:
        prototxt, _ = write_package(name, Path(folder))
        network = build_network(Recipe(source=Source(kind="caffe", path="net")), {"net": prototxt})
        (side_px,) = set(network.graph.find_nodes(op="placeholder")[0].meta["shape"][2:])
    return _begun(Subject(name=f"Caffe {name}", network=network, shape=(3, side_px, side_px)))


def _begun(subject: Subject) -> Subject:
    """Draw weights; the pictures that LSUV sees differ in brightness and colour, as photographs do.

    All of one brightness, they would have gates that weigh channels blow rounding up.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(SEEN, *subject.shape, generator=generator)
    tint = torch.randn(SEEN, subject.shape[0], 1, 1, generator=generator)
    initialise(subject.network, parse_scheme("he+lsuv"), seed=0, inputs=(noise + tint,))
    return subject


def _packaged(folder: Path) -> Subject:
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    found = read_checkpoint(files, Wishes())
    assert found.source is not None
    assert found.preprocessing is not None
    network = build_network(Recipe(source=found.source), files)
    load_weights(network, found.weights)
    pictures = found.preprocessing
    shape = (pictures.channel_count, *pictures.crop_px)
    return Subject(name=f"{folder.name} (trained)", network=network, shape=shape)


def measure(subject: Subject) -> str:
    """Give a network's row of the table.

    Raises:
        ValueError: a row does not hold.
    """
    surgery = Convolutionalize(shape=subject.shape)
    dense = convolutionalize(subject.network, surgery)
    geometry = measure_geometry(dense, surgery)
    native, equal = _compare_native(subject, dense)
    double = 2 * subject.shape[1], 2 * subject.shape[2]
    found = tuple(_run(dense, _noise(subject, 1, double)).shape[2:])
    if native > NATIVE or equal != PICTURES or found != geometry.map_size(double):
        raise ValueError(f"{subject.name}: {native:.1e}, {equal}, {found}")
    graph = _compare_graph(subject, dense, geometry)
    side = geometry.height
    cells = [
        subject.name,
        f"{native:.1e}",
        f"{equal} of {PICTURES}",
        f"{found[0]} x {found[1]} = {side.formula}",
        f"{side.smallest_px}",
        f"{side.window_px}, {side.stride_px}",
        f"{graph:.1e}",
        str(len(geometry.whole_picture)) + " layers" if geometry.whole_picture else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _compare_native(subject: Subject, dense: GraphModule) -> tuple[float, int]:
    images = _noise(subject, PICTURES, subject.shape[1:])
    expected = _run(with_probabilities(subject.network), images).flatten(1)
    found = _run(dense, images).flatten(1)
    difference = float((expected - found).abs().max() / expected.max())
    return difference, int((expected.argmax(1) == found.argmax(1)).sum())


def _compare_graph(subject: Subject, dense: GraphModule, geometry: Geometry) -> float:
    """Give the largest difference of graph and torch over eight sizes.

    Raises:
        ValueError: it is too large, or a map has another size than the formula says.
    """
    channels, *crop = subject.shape
    pictures = Preprocessing(
        resize_px=min(crop),
        crop_px=(crop[0], crop[1]),
        mean=(128.0,) * channels,
        std=(64.0,) * channels,
        scale=1.0,
        channels=Channels.GRAY if channels == 1 else Channels.RGB,
    )
    count = len(_run(dense, _noise(subject, 1, subject.shape[1:]))[0])
    graph = write_dense(dense, pictures, tuple(map(str, range(count))), geometry=geometry)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    prepare, worst = Preprocess(pictures), 0.0
    for size in sizes(geometry):
        images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        (theirs,) = session.run(None, {"images": images})
        ours = _run(dense, prepare(torch.tensor(images))).numpy()
        if theirs.shape[2:] != geometry.map_size(size) or ours.shape != theirs.shape:
            raise ValueError(f"{subject.name}: {size} gives {theirs.shape} and {ours.shape}")
        worst = max(worst, float(np.abs(theirs - ours).max() / ours.max()))
    if worst > ONNX:
        raise ValueError(f"{subject.name}: graph and torch differ by {worst:.1e}")
    return worst


def sizes(geometry: Geometry) -> Iterator[tuple[int, int]]:
    """Give eight sizes: the smallest, odd and even, square and not."""
    high, wide = geometry.native_px
    down, right = geometry.height.stride_px, geometry.width.stride_px
    yield geometry.smallest_px
    yield high, wide
    yield high + 1, wide + 1
    yield high, wide + right
    yield high + down - 1, wide + 2
    yield high + down + 3, wide + 2 * right
    yield high + 2 * down + 1, wide + right + 7
    yield max(high - 5, geometry.smallest_px[0]), wide + 3 * right - 2


def _noise(subject: Subject, count: int, size: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, subject.shape[0], *size, generator=generator)


def _run(network: GraphModule, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = network(images)
    return found


if __name__ == "__main__":
    main()
