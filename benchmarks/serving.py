"""What serving costs beside the bare model, how long requests wait, what reloading does to them.

    python benchmarks/serving.py [--home FOLDER] [--rounds 5] [--only cost,...]
    python benchmarks/serving.py --device cuda

A SqueezeNet and a ResNet-18 of random weights are made in a zoo of its own (--home keeps it for the
next time). CPU milliseconds per picture of all processes of `zoo serve` are held against those of
`session.run` alone on the published graph, which the server may rewrite for speed, with the same
options and as many callers as runners, measured turn by turn; of two numbers of clients the cheaper
counts, and their own time does not. Exits with 1 where a promise of docs/serving.md does not hold.

On a GPU pictures a second are told: by plain `session.run`, by the way that is served, by torch and
through HTTP. Exits with 2, and one line, where ONNX Runtime does not come up on CUDA.
"""

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from device import Asked, ask_figure, refuse_without
from load import (
    OK,
    ROOT,
    Answer,
    Server,
    ask_all,
    asking,
    failures,
    make_request,
    quantile_ms,
    serving,
)
from onnx import numpy_helper
from PIL import Image

sys.path.insert(0, str(ROOT))

from zoo.domain.quantization import Kept, Method
from zoo.export.fp16 import write_fp16
from zoo.export.int8 import list_values, simplify, write_int8
from zoo.export.ranges import measure_ranges
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import Zoo, open_zoo
from zoo.operations.publish import Publication, publish
from zoo.serving.cores import count_cores
from zoo.serving.dense import open_graph
from zoo.serving.loading import Loading
from zoo.serving.optimised import GraphCache
from zoo.serving.predictor import Opening
from zoo.settings import read_settings

MODELS = {"squeezenet": "squeezenet1_1", "resnet18": "resnet18"}
LEAST = {  # of the bare model's CPU time in the whole server's
    ("squeezenet", "tensor"): 0.90,
    ("resnet18", "tensor"): 0.95,
    ("squeezenet", "jpeg"): 0.77,
    ("resnet18", "jpeg"): 0.92,
}
# Of the bare model's CPU time in that of the cheapest other server that was measured, for tensors
# and in 32 bits: Triton with ONNX Runtime in its Python backend, and Triton or mosec.
PEERS = {"squeezenet": 0.87, "resnet18": 0.96}
LEAST_INT8 = 2.4  # times as much as ours costs in 8 bits
CALIBRATION = 16  # pictures
PARTS = ("cost", "int8", "waits", "reload", "shelf")  # on the CPU
PICTURES = {"cpu": (1, 8), "cuda": (1, 8, 32, 128)}  # in a run
CLIENTS_ON = {"cpu": (1, 4), "cuda": (1, 4, 16, 64, 128)}
SERVE = [str(ROOT / "cli.py"), "serve", "--port", "0"]
SIDE = 224
CLIENTS = (1, 4, 16)
SHELF, ROOM = 40, 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--loads", type=int, default=1000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each figure of a device")
    parser.add_argument("--models", default=",".join(MODELS), help="of the figures of a device")
    parser.add_argument("--only", help=f"some of {', '.join(PARTS)}; device")
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.raw:
        _run_raw(options.raw)
        return
    refuse_without(options.device)
    chosen = options.only or ("device" if options.device == "cuda" else ",".join(PARTS))
    with tempfile.TemporaryDirectory(prefix="zoo-serving-") as scratch:
        os.environ["ZOO_HOME"] = str(options.home or scratch)
        _make_models()
        os.environ["ZOO_DEVICE"] = options.device
        parts = {"cost": _cost, "int8": _int8, "waits": _waits, "reload": _reload, "shelf": _shelf}
        parts["device"] = _device
        held = [parts[name](options) for name in chosen.split(",")]
    sys.exit(0 if all(held) else 1)


def _make_models() -> None:
    with open_zoo(read_settings()) as zoo:
        missing = [name for name in MODELS if not _has(zoo, name)]
    for name in missing:
        arguments = ["create", name, "--arch", f"torchvision:{MODELS[name]}", "--init", "library"]
        command = [sys.executable, str(ROOT / "cli.py"), *arguments, "--classes", "1000"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own


def _has(zoo: Zoo, name: str) -> bool:
    from zoo.errors import ModelNotFound  # noqa: PLC0415

    try:
        get_revision(zoo, name)
    except ModelNotFound:
        return False
    return True


def _graph(name: str) -> Path:
    with open_zoo(read_settings()) as zoo:
        return get_file(zoo, get_revision(zoo, name), "model.onnx")[1]


def _jpeg() -> bytes:
    """Make a picture of 500 x 375 pixels and some 40 kB, as photographs of ImageNet are."""
    noise = np.random.default_rng(1).integers(0, 256, (47, 63, 3), np.uint8)
    picture = Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC)
    fine = np.random.default_rng(2).integers(-12, 13, (375, 500, 3))
    data = io.BytesIO()
    pixels = np.clip(np.asarray(picture).astype(int) + fine, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(data, "JPEG", quality=75)
    return data.getvalue()


def _requests(name: str) -> dict[str, bytes]:
    pixels = np.random.default_rng(3).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    described = {
        "inputs": [
            {
                "name": "images",
                "datatype": "UINT8",
                "shape": list(pixels.shape),
                "parameters": {"binary_data_size": pixels.nbytes},
            }
        ],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(described).encode()
    tensor = make_request(
        f"/v2/models/{name}/infer",
        head + pixels.tobytes(),
        Inference_Header_Content_Length=str(len(head)),
    )
    jpeg = make_request(f"/v1/models/{name}/predict", _jpeg(), Content_Type="image/jpeg")
    return {"tensor": tensor, "jpeg": jpeg}


# --- cost


class Raw:
    """`session.run` in a process of its own, which tells its CPU time."""

    def __init__(self, graph: Path) -> None:
        command = [sys.executable, __file__, "--raw", str(graph)]
        self._process = subprocess.Popen(  # noqa: S603  # our own
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def cpu_ms(self, count: int) -> float:
        """Run so many pictures; give the CPU milliseconds of one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _run_raw(graph: Path) -> None:
    """Run pictures for whoever asks on stdin, by as many callers as a server has runners.

    Each run stays on its caller's thread, which costs the least.
    """
    session = open_graph(graph, Opening(device="cpu", threads=1)).session
    pixels = np.random.default_rng(3).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    callers = count_cores()
    for line in sys.stdin:
        each = -(-int(line) // callers)
        before = time.process_time()

        def work(each: int = each) -> None:
            for _ in range(each):
                session.run(["probabilities"], {"images": pixels})

        threads = [threading.Thread(target=work) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print((time.process_time() - before) * 1000 / (each * callers), flush=True)


def _cost(options: argparse.Namespace) -> bool:
    print("model       body    clients  raw ms  server ms  raw / server  promised")
    held = True
    with serving(SERVE, worker_slots=0) as server:
        for name in MODELS:
            raw = Raw(_graph(name))
            for body, request in _requests(name).items():
                least, ratios = LEAST[name, body], []
                for clients in _busy_clients():
                    pairs = _measure_cost(server, raw, request, clients, _size(options, name))
                    ratios.append(statistics.median(bare / whole for bare, whole in pairs))
                    bare, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
                    print(
                        f"{name:<11} {body:<7} {clients:7} {bare:7.1f} {whole:10.1f}"
                        f" {ratios[-1]:13.3f} {least:9.2f}"
                    )
                held &= max(ratios) >= least
            raw.close()
    return held


def _busy_clients() -> tuple[int, int]:
    """Give the numbers of clients that keep all cores busy; the one that costs less counts.

    So were those of other servers told that the promises go by.
    """
    return count_cores(), 2 * count_cores()


def _size(options: argparse.Namespace, name: str) -> tuple[int, int]:
    """Give the number of rounds, and of requests in each."""
    return options.rounds, 200 if name == "squeezenet" else 60


def _measure_cost(
    server: Server, raw: Raw, request: bytes, clients: int, size: tuple[int, int]
) -> list[tuple[float, float]]:
    """Measure both turn by turn, the bare model before and after each turn of the server."""
    rounds, count = size
    warm, _ = ask_all(server, [request], clients=clients, count=10)
    assert not failures(warm)
    pairs = []
    raw.cpu_ms(10)
    before = raw.cpu_ms(count)
    for _ in range(rounds):
        begun = server.cpu_s()
        answers, _ = ask_all(server, [request], clients=clients, count=count)
        whole = (server.cpu_s() - begun) * 1000 / count
        assert not failures(answers)
        after = raw.cpu_ms(count)
        pairs.append(((before + after) / 2, whole))
        before = after
    return pairs


# --- int8


def _int8(options: argparse.Namespace) -> bool:
    """Hold a server of graphs in 8 bits against the cheapest other one in 32.

    The others' cost is that of the bare model here, in the share that each had of its own run.
    """
    print("model       clients  bare fp32 ms  server int8 ms  best other fp32 / that  promised")
    held = True
    with open_zoo(read_settings()) as zoo:
        for name in MODELS:
            if not _has(zoo, f"{name}-int8"):
                files = {"model.onnx": zoo.blobs.put([_write_int8(_graph(name).read_bytes())])}
                publish(zoo, Publication(model=f"{name}-int8", files=files, message=""))
    with serving(SERVE, worker_slots=0) as server:
        for name in MODELS:
            raw = Raw(_graph(name))
            request, times = _requests(f"{name}-int8")["tensor"], []
            for clients in _busy_clients():
                pairs = _measure_cost(server, raw, request, clients, _size(options, name))
                bare, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
                times.append(statistics.median(one / PEERS[name] / ours for one, ours in pairs))
                print(
                    f"{name:<11} {clients:7} {bare:13.1f} {whole:15.1f}"
                    f" {times[-1]:23.2f} {LEAST_INT8:9.1f}"
                )
            held &= max(times) >= LEAST_INT8
            raw.close()
    return held


def _write_int8(graph: bytes) -> bytes:
    """Write a graph down in 8 bits, its ranges measured on noise: it is for its cost alone."""
    random_ = np.random.default_rng(4)
    pictures = random_.integers(0, 256, (CALIBRATION, SIDE, SIDE, 3), np.uint8)
    model = simplify(graph)
    ranges = measure_ranges(model, list_values(model), pictures)
    return write_int8(model, ranges[Method.MINMAX], Kept.NONE)


# --- device


def _device(options: argparse.Namespace) -> bool:
    """Tell pictures a second with and without the server, and beside torch; nothing is promised."""
    names = options.models.split(",")
    if options.device == "cuda":
        names = [one for name in names for one in (name, _publish_fp16(name))]
    best = {name: _measure_bare(name, options) for name in names}
    print(
        "\nmodel            body    clients  pictures/s  p50 ms  p99 ms  / best session.run  lost"
    )
    lost = 0
    with serving(SERVE, worker_slots=0) as server:
        for name in names:
            print(f"{name}: served by {_told_way(server, name)}")
            for body, request in _requests(name).items():
                for clients in CLIENTS_ON[options.device]:
                    rate, answers = _ask_for(server, request, clients, options.seconds)
                    lost += failures(answers)
                    print(
                        f"{name:<16} {body:<7} {clients:7} {rate:11.1f}"
                        f" {quantile_ms(answers, 0.5):7.1f} {quantile_ms(answers, 0.99):7.1f}"
                        f" {rate / best[name]:18.3f} {failures(answers):5}"
                    )
    return lost == 0


def _publish_fp16(name: str) -> str:
    """Publish a model's graph in 16 bits, and give its name."""
    with open_zoo(read_settings()) as zoo:
        if not _has(zoo, f"{name}-fp16"):
            graph = write_fp16(simplify(_graph(name).read_bytes()))
            files = {"model.onnx": zoo.blobs.put([graph])}
            publish(zoo, Publication(model=f"{name}-fp16", files=files, message=""))
    return f"{name}-fp16"


def _measure_bare(name: str, options: argparse.Namespace) -> float:
    """Tell pictures a second without a server; give the best of `session.run`."""
    counts = PICTURES[options.device]
    asked = Asked(device=options.device, counts=counts, seconds=options.seconds)
    architecture = MODELS[name.removesuffix("-fp16")]
    heading = f"{name}, pictures/s in runs of"
    print(f"\n{heading:<38}" + "".join(f"{one:>10}" for one in counts))
    rates = {}
    for figure in ("plain", "way", "torch"):
        told, rates[figure] = ask_figure(figure, _graph(name), architecture, asked)
        print(f"{told:<38}" + "".join(f"{rates[figure][one]:10.1f}" for one in counts))
    for other in ("plain", "torch"):
        ratios = (rates["way"][one] / rates[other][one] for one in counts)
        print(f"{'the way / ' + other:<38}" + "".join(f"{one:10.2f}" for one in ratios))
    return max(rates["plain"].values())


def _told_way(server: Server, name: str) -> str:
    """Tell what a model's metadata say of how it runs."""
    with urllib.request.urlopen(f"http://{server.host}:{server.port}/v2/models/{name}") as answer:
        told = json.load(answer)["properties"]
    return f"{told['provider']}, {told.get('runs', 'one session a core')}"


def _ask_for(
    server: Server, request: bytes, clients: int, seconds: float
) -> tuple[float, list[Answer]]:
    """Have clients ask for so long, after they have begun; give answers a second, and all."""
    ask_all(server, [request], clients=clients, count=2 * clients)
    begun = time.perf_counter()
    with asking(server, request, clients=clients) as answers:
        time.sleep(seconds)
    return len(answers) / (time.perf_counter() - begun), answers


# --- waits


def _waits(_options: argparse.Namespace) -> bool:
    """Hold the tail against FIFO.

    Of c callers who ask again as soon as they are answered, each waits for the c - 1 others: by
    Little's law an answer takes c / throughput, and under FIFO that holds for every one of them.
    """
    print("model       clients  p50 ms  p99 ms  c / throughput ms  p99 / that  lost")
    held = True
    with serving(SERVE, worker_slots=0) as server:
        for name in MODELS:
            request = _requests(name)["jpeg"]
            ask_all(server, [request], clients=1, count=5)
            for clients in CLIENTS:
                count = max(40 * clients, 100)
                answers, taken_s = ask_all(server, [request], clients=clients, count=count)
                expected = clients * taken_s / count * 1000
                p50, p99 = quantile_ms(answers, 0.5), quantile_ms(answers, 0.99)
                lost = failures(answers) + count - len(answers)
                held &= lost == 0 and (clients == 1 or p99 <= 2 * expected)
                print(
                    f"{name:<11} {clients:7} {p50:7.0f} {p99:7.0f} {expected:18.0f}"
                    f" {p99 / expected:11.2f} {lost:5}"
                )
    return held


# --- reload


def _variant(number: int) -> Callable[[onnx.ModelProto], None]:
    """Make a graph say that every picture is of one class, by the bias of its classifier."""

    def change(model: onnx.ModelProto) -> None:
        biases = [
            one
            for one in model.graph.initializer
            if list(one.dims) == [1000] and one.data_type == onnx.TensorProto.FLOAT
        ]
        bias = numpy_helper.to_array(biases[-1]).copy()
        bias[:] = 0
        bias[number] = 100
        biases[-1].CopyFrom(numpy_helper.from_array(bias, biases[-1].name))

    return change


def _publish_variant(zoo: Zoo, source: onnx.ModelProto, model: str, number: int) -> str:
    changed = onnx.ModelProto()
    changed.CopyFrom(source)
    _variant(number)(changed)
    files = {"model.onnx": zoo.blobs.put([changed.SerializeToString()])}
    return publish(zoo, Publication(model=model, files=files, message="")).id


def _reload(options: argparse.Namespace) -> bool:
    swaps: int = options.swaps
    source = onnx.load(_graph("squeezenet"))
    request = _requests("swapped")["jpeg"]
    with open_zoo(read_settings()) as zoo, serving(SERVE, worker_slots=0) as server:
        _publish_variant(zoo, source, "swapped", 999)
        ask_all(server, [request], clients=1, count=5)
        steady, _ = ask_all(server, [request], clients=4, count=400)
        with asking(server, request, clients=4) as answers:
            for number in range(swaps):
                revision = _publish_variant(zoo, source, "swapped", number)
                _wait_until_served(answers, revision)
        last = json.loads(answers[-1].body)["predictions"][0]
    failed = failures(answers)
    p99, usual = quantile_ms(answers, 0.99), quantile_ms(steady, 0.99)
    right = last["scores"][0]["index"] == swaps - 1
    print(
        f"reload: {swaps} revisions under 4 clients, {len(answers)} requests, {failed} failed;"
        f" p99 {p99:.0f} ms, steady {usual:.0f} ms, ratio {p99 / usual:.2f};"
        f" the last one answers: {right}"
    )
    return failed == 0 and right and p99 < 2 * usual


def _wait_until_served(answers: list[Answer], revision: str) -> None:
    seen = 0
    while True:
        for answer in answers[seen:]:
            seen += 1
            if answer.status != OK or revision.encode() in answer.body:
                return
        time.sleep(0.005)


# --- shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of asking many models."""

    wrong: int
    rss: list[int]


def _shelf(options: argparse.Namespace) -> bool:
    source = onnx.load(_graph("squeezenet"))
    with open_zoo(read_settings()) as zoo:
        for number in range(SHELF):
            if not _has(zoo, f"shelf-{number}"):
                _publish_variant(zoo, source, f"shelf-{number}", number)
    with tempfile.TemporaryDirectory() as folder:
        loading = Loading(device="cpu", cache=GraphCache(folder=Path(folder), most_bytes=2**30))
        loading.load("first", _graph("squeezenet"))
        room = ROOM * loading.load("first", _graph("squeezenet")).size_bytes
    with serving(SERVE, worker_slots=0, served_bytes=room) as server:
        outcome = _ask_many(server, options.loads)
    early, late = outcome.rss[options.loads // 10], outcome.rss[-1]
    print(
        f"shelf: {SHELF} models, memory for {ROOM} ({room / 1e6:.0f} MB), {len(outcome.rss)}"
        f" requests of which nearly all load; {outcome.wrong} wrong answers; RSS"
        f" {early / 1e6:.0f} MB after a tenth, {late / 1e6:.0f} MB at the end,"
        f" ratio {late / early:.3f}"
    )
    return outcome.wrong == 0 and late <= 1.1 * early


def _ask_many(server: Server, count: int) -> Outcome:
    """Ask the models in an order in which the next one has nearly always been closed."""
    order = random.Random(0)  # noqa: S311  # no secret
    wrong, rss, waiting = 0, list[int](), list[int]()
    for _ in range(count):
        if not waiting:
            waiting = list(range(SHELF))
            order.shuffle(waiting)
        number = waiting.pop()
        request = _requests(f"shelf-{number}")["jpeg"]
        (answer,), _ = ask_all(server, [request], clients=1, count=1)
        told: Any = json.loads(answer.body)
        wrong += answer.status != OK or told["predictions"][0]["scores"][0]["index"] != number
        rss.append(server.rss_bytes())
    return Outcome(wrong=wrong, rss=rss)


if __name__ == "__main__":
    main()
