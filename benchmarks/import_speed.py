"""How fast a package of 553 MB comes in, beside ``sha256sum`` and ``cp`` of the same file.

    python benchmarks/import_speed.py [--rounds 5]

An import keeps the file as it came (hashed while written), checks the readme's SHA-1, reads it,
and keeps the weights as safetensors (again hashed while written); both are on the disk before it
says so. ``sha256sum`` and ``cp`` do less: ``cp`` does not wait for the disk. Rounds are in turns,
figures are medians. Linux only.
"""

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from read_caffemodel import Peak, anonymous_mb
from synthetic import write_package

from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import to_weights
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.safetensors import write_safetensors
from zoo.storage.blobs import chunks_of
from zoo.storage.local import LocalBlobs

GOAL = 0.5  # of the speed of sha256sum and cp together


def main() -> None:
    """Write the package, measure in turns, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--network", default="vgg", choices=("caffenet", "vgg", "huge"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-benchmark-") as name:
        folder = Path(name)
        prototxt, weights = _write_beside(options.network, folder)
        _compare(_steps(prototxt, weights, folder), weights.stat().st_size, options.rounds)


def _write_beside(name: str, folder: Path) -> tuple[Path, Path]:
    """Write the package in another process, whose memory is not counted here."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(write_package, name, folder).result()


def _steps(prototxt: Path, weights: Path, folder: Path) -> dict[str, Callable[[], object]]:

    blobs = LocalBlobs(folder / "blobs")

    def keep() -> Path:
        with weights.open("rb") as file:
            return blobs.local_path(blobs.put(chunks_of(file)).digest)

    def convert(path: Path) -> None:
        net = read_net(read_text(prototxt), name=prototxt.name)
        found, _ = to_weights(net, read_blobs(path))
        blobs.put(write_safetensors(found))

    def check(path: Path) -> None:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False))

    def import_checked() -> None:
        path = keep()
        check(path)
        convert(path)

    return {
        "sha256sum": lambda: _run("sha256sum", str(weights)),
        "openssl sha256": lambda: _run("openssl", "dgst", "-sha256", str(weights)),
        "cp": lambda: _run("cp", str(weights), str(folder / "copy")),
        "keep": keep,
        "import": lambda: convert(keep()),
        "import, SHA-1 checked": import_checked,
    }


def _compare(steps: dict[str, Callable[[], object]], size_bytes: int, rounds: int) -> None:
    known = {name: step for name, step in steps.items() if _is_there(name)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in known}
    before_mb, peak = anonymous_mb(), Peak()
    with peak:
        for _ in range(rounds):
            for name, step in known.items():
                found[name].append(_measure(step))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    print(f"{size_bytes / 1e6:.0f} MB, medians of {rounds} rounds")
    print(f"{'':22} {'wall s':>8} {'CPU s':>8} {'MB/s':>8}")
    for name, (wall_s, cpu_s) in medians.items():
        print(f"{name:22} {wall_s:8.2f} {cpu_s:8.2f} {size_bytes / 1e6 / wall_s:8.0f}")
    for plain in ("sha256sum", "openssl sha256"):
        if plain in medians:
            _print_ratios(plain, medians)
    print(f"anonymous memory grew by {peak.most_mb - before_mb:.0f} MB at its highest")


def _print_ratios(plain: str, medians: dict[str, list[float]]) -> None:
    walls, cpus = (medians[plain][part] + medians["cp"][part] for part in (0, 1))
    for name in ("import", "import, SHA-1 checked"):
        wall, cpu = walls / medians[name][0], cpus / medians[name][1]
        print(f"{name}: {wall:.2f} of the speed of {plain} and cp, {cpu:.2f} in CPU")
    if plain == "sha256sum":
        is_met = walls / medians["import"][0] >= GOAL
        print(f"goal {GOAL}: {'met' if is_met else 'MISSED'}")


def _is_there(name: str) -> bool:
    program = name.split(maxsplit=1)[0]
    return program not in {"sha256sum", "openssl", "cp"} or shutil.which(program) is not None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # named above


def _measure(step: Callable[[], object]) -> tuple[float, float]:
    """Give the wall and CPU seconds of a step, those of its child processes included."""
    os.sync()  # What an earlier step left to the disk is not this one's cost.
    before = _cpu_s()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start, _cpu_s() - before


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
