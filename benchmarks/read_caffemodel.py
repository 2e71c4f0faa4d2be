"""How long weights files take to become arrays: the zoo, OpenCV and protobuf's own reader.

    python benchmarks/read_caffemodel.py [--huge] [--rounds 5]

Each reading happens in a process of its own, with the file in the page cache and the libraries
loaded. Memory is anonymous memory (RssAnon of /proc/self/status) at its highest, less what there
was before: pages of the mapped file can be dropped at any time and are not counted. ``touched``
reads every number once, as a conversion does. Linux only.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from synthetic import write_package

from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.writing import write_caffemodel

GOAL_CPU_MS, GOAL_MB = 50, 20
SAMPLED_S = 0.0005

Reader = Callable[[Path, Path], object]


def read_with_zoo(prototxt: Path, weights: Path) -> object:
    """Read names, shapes and numbers as the importer does: views, nothing touched."""
    net = read_net(read_text(prototxt), name=prototxt.name)
    return to_weights(net, read_blobs(weights))[0]


def read_and_touch(prototxt: Path, weights: Path) -> object:
    """Read as above, and every number once."""
    found = read_with_zoo(prototxt, weights)
    for name in found:
        np.max(found[name])
    return found


def read_with_opencv(prototxt: Path, weights: Path) -> object:
    """Build OpenCV's network, which copies the numbers."""
    import cv2  # noqa: PLC0415  # not always there

    return cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))


def read_with_protobuf(_prototxt: Path, weights: Path) -> object:
    """Parse the file as a message; no number is taken out of it yet."""
    message = _net_parameter()
    message.ParseFromString(weights.read_bytes())
    return message


READERS: dict[str, Reader] = {
    "zoo": read_with_zoo,
    "zoo, touched": read_and_touch,
    "opencv": read_with_opencv,
    "protobuf": read_with_protobuf,
}
NEEDED = {"opencv": "cv2", "protobuf": "google.protobuf"}


def main() -> None:
    """Write the files, measure every reader on each, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--huge", action="store_true", help="also a file of 2.2 GB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        reader, prototxt, weights = options.child
        print(json.dumps(_measure(READERS[reader], Path(prototxt), Path(weights))))
        return
    with tempfile.TemporaryDirectory(prefix="zoo-benchmark-") as folder:
        for name in ("caffenet", "vgg", *(("huge",) if options.huge else ())):
            _compare(name, Path(folder), options.rounds)


def _compare(name: str, folder: Path, rounds: int) -> None:

    prototxt, weights = write_package(name, folder)
    size_mb = weights.stat().st_size / 1e6
    print(f"\n{name}: {size_mb:.0f} MB, medians of {rounds} rounds")
    print(f"{'reader':14} {'wall ms':>9} {'CPU ms':>9} {'anon MB':>9} {'x zoo, wall':>12}")
    known = [reader for reader in READERS if _is_there(reader)]
    found: dict[str, list[dict[str, float]]] = {reader: [] for reader in known}
    for _ in range(rounds):  # In turns, so that all see the same neighbours.
        for reader in known:
            found[reader].append(_run(reader, prototxt, weights))
    of_zoo = _median(found["zoo"], "wall_ms")
    for reader in known:
        if "failed" in found[reader][0]:
            print(f"{reader:14} cannot read it: {found[reader][0]['failed']}")
            continue
        wall, cpu, anon = (
            _median(found[reader], key) for key in ("wall_ms", "cpu_ms", "anonymous_mb")
        )
        print(f"{reader:14} {wall:9.1f} {cpu:9.1f} {anon:9.1f} {wall / of_zoo:12.1f}")
    cpu, anon = (_median(found["zoo"], key) for key in ("cpu_ms", "anonymous_mb"))
    is_met = cpu < GOAL_CPU_MS and anon < GOAL_MB
    print(f"goal {GOAL_CPU_MS} ms of CPU and {GOAL_MB} MB: {'met' if is_met else 'MISSED'}")
    weights.unlink()


def _is_there(reader: str) -> bool:
    module = NEEDED.get(reader)
    try:
        return module is None or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _run(reader: str, prototxt: Path, weights: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", reader, str(prototxt), str(weights)]
    done = subprocess.run(  # noqa: S603  # this file
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["killed"])[-1]
        return {"failed": said[:80]}  # type: ignore[dict-item]  # told instead of figures
    return json.loads(done.stdout)  # type: ignore[no-any-return]  # written by this file


def _median(rounds: list[dict[str, float]], key: str) -> float:
    return statistics.median(each[key] for each in rounds)


def _measure(read: Reader, prototxt: Path, weights: Path) -> dict[str, float]:
    """Read once with a tiny network, so that everything is loaded, then once in earnest."""
    with tempfile.TemporaryDirectory(prefix="zoo-benchmark-") as folder:
        read(*_tiny_package(Path(folder)))
    before_mb = anonymous_mb()
    peak = Peak()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    with peak:
        result = read(prototxt, weights)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    peak.look()
    del result
    return {
        "wall_ms": 1000 * wall_s,
        "cpu_ms": 1000 * cpu_s,
        "anonymous_mb": peak.most_mb - before_mb,
    }


class Peak:
    """The most anonymous memory seen while it is open, looked at by a thread beside."""

    def __init__(self) -> None:
        self.most_mb = anonymous_mb()
        self.is_done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_error: object) -> None:
        self.is_done.set()
        self.thread.join()

    def look(self) -> None:
        """Look once more."""
        self.most_mb = max(self.most_mb, anonymous_mb())

    def _watch(self) -> None:
        # Sleeping longer each time keeps the cost of looking small beside a long reading.
        pause_s = SAMPLED_S
        while not self.is_done.wait(pause_s):
            self.look()
            pause_s = min(pause_s * 1.1, 0.02)


def anonymous_mb() -> float:
    """Give the anonymous memory of this process in MB: what is not the pages of a file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1e3
    raise SystemExit("This kernel does not tell RssAnon.")


def _tiny_package(folder: Path) -> tuple[Path, Path]:

    prototxt, weights = folder / "tiny.prototxt", folder / "tiny.caffemodel"
    prototxt.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
        'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"\n'
        "  convolution_param { num_output: 2 kernel_size: 3 } }\n"
        'layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"\n'
        "  inner_product_param { num_output: 2 } }\n"
    )
    net = read_net(prototxt.read_text(), name=prototxt.name)
    drawn = np.ones((2, 72), np.float32)
    blobs = {"conv": (drawn[:, :27].reshape(2, 3, 3, 3), drawn[0, :2]), "ip": (drawn, drawn[0, :2])}
    weights.write_bytes(b"".join(write_caffemodel(net, blobs)))
    return prototxt, weights


def _net_parameter():  # noqa: ANN202  # a class that protobuf makes at run time
    """Describe what of caffe.proto a weights file needs, and make its message class."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415  # not always there

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="weights.proto", package="zoo", syntax="proto2")
    rows = {
        "Shape": (("dim", 1, kinds.TYPE_INT64, ""),),
        "Blob": (("data", 5, kinds.TYPE_FLOAT, ""), ("shape", 7, kinds.TYPE_MESSAGE, ".zoo.Shape")),
        "Layer": (
            ("name", 1, kinds.TYPE_STRING, ""),
            ("type", 2, kinds.TYPE_STRING, ""),
            ("blobs", 7, kinds.TYPE_MESSAGE, ".zoo.Blob"),
        ),
        "Net": (
            ("name", 1, kinds.TYPE_STRING, ""),
            ("layer", 100, kinds.TYPE_MESSAGE, ".zoo.Layer"),
        ),
    }
    for title, fields in rows.items():
        message = file.message_type.add(name=title)
        for name, number, kind, type_name in fields:
            field = message.field.add(name=name, number=number, type=kind)
            if type_name:
                field.type_name = type_name
            many = name in {"data", "dim", "blobs", "layer"}
            field.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            if many and kind != kinds.TYPE_MESSAGE:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("zoo.Net"))()


if __name__ == "__main__":
    main()
