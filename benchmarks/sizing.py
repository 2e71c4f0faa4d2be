"""What a thousand models and a thousand jobs take of the catalog: bytes and CPU seconds.

`python benchmarks/sizing.py [--count N] [--database URL]` publishes models of seven files and has
jobs claimed, told of in forty events and ended, all by the operations that the server and workers
use, and prints a table. The bytes of the files themselves are not counted.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from zoo.domain.job import JobKind
from zoo.operations import jobs
from zoo.operations.opening import Zoo, open_zoo
from zoo.operations.publish import Publication, publish
from zoo.settings import read_settings

FILES = ("README.md", "config.json", "model.safetensors", "model.onnx", "parity.json")
MORE = ("training.json", "report.html")
EVENTS = 40


def main() -> None:
    """Fill a catalog, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--database", default="", help="URL of an empty database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings(home=Path(folder), database_url=given.database)
        with open_zoo(settings) as zoo:
            print("| thousand | catalog, MB | CPU s |")
            print("| --- | --- | --- |")
            _measure(zoo, "models", _publish, given.count)
            _measure(zoo, "jobs", _work, given.count)


def _measure(zoo: Zoo, name: str, make: Callable[[Zoo, int], None], count: int) -> None:
    before, spent = _size_bytes(zoo), time.process_time()
    for number in range(count):
        make(zoo, number)
    share = 1000 / count
    spent, size = time.process_time() - spent, _size_bytes(zoo) - before
    print(f"| {name} | {share * size / 1e6:.1f} | {share * spent:.1f} |")


def _publish(zoo: Zoo, number: int) -> None:
    files = {
        path: zoo.blobs.put([f"{path} of {number}".encode() if path in FILES[:4] else b"same"])
        for path in (*FILES, *MORE)
    }
    summary = {"architecture": "squeezenet", "parameters": 1_235_496, "runs": "cnn"}
    name = f"owner-{number % 20}/net-{number}"
    publish(zoo, Publication(model=name, files=files, message="fine-tune", summary=summary))


def _work(zoo: Zoo, number: int) -> None:
    params = {
        "model": "squeezenet@0123456789abcdef0123456789abcdef01234567",
        "dataset": "flowers@0123456789abcdef0123456789abcdef01234567",
        "name": f"squeezenet-flowers-{number}",
        "seed": number,
        "training": {"epochs": 20, "lr": 0.01},
    }
    jobs.enqueue(zoo, JobKind.FINETUNE, params)
    attempt = jobs.claim(zoo, worker="machine:0123456789ab:4711")
    for epoch in range(EVENTS):
        jobs.tell(zoo, attempt, "epoch", f"epoch {epoch}: held-out loss 0.5, accuracy 0.9")
    jobs.succeed(zoo, attempt, {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.95}})


def _size_bytes(zoo: Zoo) -> int:
    with zoo.catalog.reading() as db:
        if zoo.catalog.engine.dialect.name == "postgresql":
            return db.scalar(text("SELECT pg_database_size(current_database())"))
        pages = db.scalar(text("PRAGMA page_count")) - db.scalar(text("PRAGMA freelist_count"))
        return pages * db.scalar(text("PRAGMA page_size"))


if __name__ == "__main__":
    sys.exit(main())
