"""Dense evaluation beside evaluating every crop at the same stride, with ONNX Runtime.

    python benchmarks/dense_speed.py [--network alexnet] [--network vgg] [--crops 64]

The classifier reads each crop under a cell of the map, alone and in batches of 16; the dense
network reads the picture once. Both are the zoo's own graphs of one network with drawn weights. A
picture of four times the side has some 500 crops, of which ``--crops`` are run; the time of one is
multiplied. The ratio that multiplications alone would give stands beside what was measured.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthetic import write_package
from torch.fx import GraphModule

from zoo.domain.geometry import Geometry
from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.domain.surgery import Convolutionalize
from zoo.export.dense import write_dense
from zoo.export.onnx import write_onnx
from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.reading import read_net, read_text
from zoo.networks.build import build_network, load_weights
from zoo.networks.dense import convolutionalize, measure_geometry
from zoo.networks.inventory import list_layers

SIDES = (2, 4)  # times the classifier's own
BATCHES = (1, 16)
THREADS = 2
GOAL = 10  # times as fast, at four times the side


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One network as a classifier of crops and as a dense one."""

    crops: Any
    dense: Any
    geometry: Geometry
    macs: Callable[[int, int], tuple[int, int]]  # sides of crop and picture -> of one crop, dense


def main() -> None:
    """Measure each network at each side, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", action="append", choices=("alexnet", "caffenet", "vgg"))
    parser.add_argument("--crops", type=int, default=64)
    options = parser.parse_args()
    print("| network | picture | map | crops one by one | in batches of 16 | by multiplications |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.network or ("alexnet", "vgg"):
        with tempfile.TemporaryDirectory(prefix="zoo-benchmark-") as folder:
            pair = _build(name, Path(folder))
        for times in SIDES:
            print(_measure(name, pair, times, options.crops), flush=True)
    print(f"\nTimes as fast as the crops, in CPU seconds; the goal at 4 times the side is {GOAL}.")


def _build(name: str, folder: Path) -> Pair:
    prototxt, caffemodel = write_package(name, folder)
    net = read_net(read_text(prototxt), name=prototxt.name)
    network = build_network(Recipe(source=Source(kind="caffe", path="net")), {"net": prototxt})
    weights, _ = to_weights(net, read_blobs(caffemodel, name=caffemodel.name))
    load_weights(network, weights)
    _, channels, height, width = net.inputs[0].shape
    surgery = Convolutionalize(shape=(channels, height, width))
    dense = convolutionalize(network, surgery)
    geometry = measure_geometry(dense, surgery)
    labels = tuple(map(str, range(1000)))
    pictures = _pictures(height)
    return Pair(
        crops=_open(write_onnx(network, pictures, None, labels)),
        dense=_open(write_dense(dense, pictures, labels, geometry=geometry)),
        geometry=geometry,
        macs=lambda crop, picture: (_macs(network, crop), _macs(dense, picture)),
    )


def _pictures(side_px: int) -> Preprocessing:
    return Preprocessing(
        resize_px=side_px,
        crop_px=(side_px, side_px),
        channels=Channels.BGR,
        mean=(104.0, 117.0, 123.0),
        std=(1.0, 1.0, 1.0),
        scale=1.0,
        source="a benchmark",
    )


def _macs(network: GraphModule, side_px: int) -> int:
    return sum(layer.macs for layer in list_layers(network, (3, side_px, side_px)))


def _open(graph: bytes) -> Any:  # noqa: ANN401  # the library has no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _measure(name: str, pair: Pair, times: int, most: int) -> str:
    native = pair.geometry.native_px[0]
    side = times * native
    picture = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    rows, columns = pair.geometry.map_size((side, side))
    crops = _crops(picture, pair.geometry, most)
    _seconds(lambda: _run(pair.dense, picture[:, :native, :native]))  # memory is taken once
    dense = _seconds(lambda: _run(pair.dense, picture))
    ratios = [
        _seconds(lambda batch=batch: _run_all(pair.crops, crops, batch))
        / len(crops)
        * rows
        * columns
        / dense
        for batch in BATCHES
    ]
    one, whole = pair.macs(native, side)
    theory = one * rows * columns / whole
    cells = [name, f"{side} x {side}", f"{rows} x {columns}"]
    return "| " + " | ".join([*cells, *(f"{ratio:.1f}" for ratio in (*ratios, theory))]) + " |"


def _crops(picture: np.ndarray, geometry: Geometry, most: int) -> np.ndarray:
    """Cut crops that lie wholly in the picture, at the map's own stride."""
    height, width = geometry.native_px
    stride = geometry.height.stride_px
    places = [
        (top, left)
        for top in range(0, picture.shape[1] - height + 1, stride)
        for left in range(0, picture.shape[2] - width + 1, stride)
    ]
    cut = [picture[0, top : top + height, left : left + width] for top, left in places[:most]]
    return np.stack(cut)


def _run(session: Any, pictures: np.ndarray) -> None:  # noqa: ANN401  # the library has no types
    session.run(None, {"images": pictures})


def _run_all(session: Any, crops: np.ndarray, batch: int) -> None:  # noqa: ANN401  # likewise
    for start in range(0, len(crops), batch):
        _run(session, crops[start : start + batch])


def _seconds(work: Callable[[], None]) -> float:
    """Give the CPU seconds of all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
