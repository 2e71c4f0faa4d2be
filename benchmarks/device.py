"""Pictures a second of one graph on one device, without a server: what `serving.py` asks for.

    python benchmarks/device.py plain|way|torch GRAPH --device cpu|cuda [--architecture NAME]

Each figure comes of a process of its own, whose memory of the device nobody else takes part in. All
three read uint8 pictures of N x H x W x 3 from ordinary memory and give float32 probabilities
there, so copies to the device and back count. Prints JSON: how it ran, and pictures a second by
the number of pictures in a run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from load import ROOT
from numpy.typing import NDArray

sys.path.insert(0, str(ROOT))

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import Unsupported
from zoo.serving.cuda import WAYS, open_fastest
from zoo.serving.dense import open_graph
from zoo.serving.device import check_device
from zoo.serving.lane import Lane
from zoo.serving.predictor import NVIDIA_DRIVER, Opening

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

WARM_RUNS = 3  # of each number of pictures before it counts
NO_DEVICE = 2  # the exit code


def main() -> None:
    """Measure one figure and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", choices=list(FIGURES))
    parser.add_argument("graph", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--architecture", default="", help="of torchvision, for torch")
    parser.add_argument("--counts", type=_numbers, default=(1, 8, 32, 128))
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    refuse_without(options.device)
    name, run = FIGURES[options.figure](options)
    size_px = _preprocessing(options.graph).crop_px
    rates = {count: _rate(run, size_px, count, options.seconds) for count in options.counts}
    print(json.dumps({"name": name, "rates": rates}))


def refuse_without(device: str) -> None:
    """End with one line where ONNX Runtime does not come up on the device."""
    reason = ""
    if device == "cuda" and not NVIDIA_DRIVER.exists():
        reason = "CUDA was asked for, but this machine has no NVIDIA driver."
    elif device == "cuda":
        _silence()
        try:
            check_device(device)
        except Unsupported as error:
            reason = str(error)
    if reason:
        print(f"{reason} Nothing was measured.", file=sys.stderr)
        sys.exit(NO_DEVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How figures are measured."""

    device: str
    counts: Sequence[int]  # of pictures in a run
    seconds: float  # for each of them


def ask_figure(
    figure: str, graph: Path, architecture: str, asked: Asked
) -> tuple[str, dict[int, float]]:
    """Measure one figure in a process of its own; give how it ran, and pictures a second."""
    given = {
        "--device": asked.device,
        "--architecture": architecture,
        "--counts": ",".join(map(str, asked.counts)),
        "--seconds": str(asked.seconds),
    }
    arguments = [one for pair in given.items() for one in pair]
    command = [sys.executable, __file__, figure, str(graph), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own
    told = json.loads(done.stdout)
    return told["name"], {int(count): rate for count, rate in told["rates"].items()}


def _plain(options: argparse.Namespace) -> tuple[str, Run]:
    """`session.run` without any options of the provider."""
    session = open_graph(options.graph, Opening(device=options.device)).session

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = session.run(["probabilities"], {"images": images})[0]
        return rows

    return f"session.run on {session.get_providers()[0]}", run


def _way(options: argparse.Namespace) -> tuple[str, Run]:
    """The way that a server takes; on the CPU, where a server takes none, the first of them."""
    ways = WAYS if options.device == "cpu" else None
    served = open_fastest(options.graph, device=options.device, lane=Lane(), ways=ways)
    return f"the way {served.classifier.session.way!r}", served.classifier.predict


def _torch(options: argparse.Namespace) -> tuple[str, Run]:
    """Plain torch: channels last, and on CUDA autocast to 16 bits."""
    import torch  # noqa: PLC0415  # seconds

    from zoo.networks.preprocess import Preprocess  # noqa: PLC0415  # torch
    from zoo.networks.vision.libraries import import_torchvision  # noqa: PLC0415  # torch

    is_cuda = options.device == "cuda"
    torch.backends.cudnn.benchmark = True
    network = import_torchvision().get_model(options.architecture, weights=None).eval()
    network = network.to(options.device, memory_format=torch.channels_last)
    prepare = Preprocess(_preprocessing(options.graph)).to(options.device)

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pictures = prepare(torch.from_numpy(images).to(options.device))
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", torch.float16, enabled=is_cuda):
            scores = network(pictures)
        rows: NDArray[np.float32] = scores.float().softmax(1).cpu().numpy()
        return rows

    return f"torch {torch.__version__} in {16 if is_cuda else 32} bits", run


FIGURES: dict[str, Callable[[argparse.Namespace], tuple[str, Run]]] = {
    "plain": _plain,
    "way": _way,
    "torch": _torch,
}


def _rate(run: Run, size_px: tuple[int, int], count: int, seconds: float) -> float:
    """Give pictures a second in runs of so many, by one caller."""
    images = np.random.default_rng(count).integers(0, 256, (count, *size_px, 3), np.uint8)
    for _ in range(WARM_RUNS):
        assert len(run(images)) == count
    runs, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds or not runs:
        run(images)
        runs += 1
    return runs * count / taken


def _preprocessing(graph: Path) -> Preprocessing:
    return open_graph(graph, Opening(device="cpu")).preprocessing


def _silence() -> None:
    """Have ONNX Runtime keep what it says of a provider that does not come up."""
    import onnxruntime  # noqa: PLC0415  # slow

    library: Any = onnxruntime
    library.set_default_logger_severity(4)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    main()
