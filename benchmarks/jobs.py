"""What a job costs before its body says its first word, and altogether: CPU time and memory.

`python benchmarks/jobs.py [--jobs N] [--ray HOST:PORT]` fits a probe of the package's LeNet to
fifty digits, over and over, in a home of its own: each time in a new interpreter, then in copies of
the fork server, then on a Ray cluster where one is named; there, what the driver takes is told.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from zoo.domain.job import Attempt, Job
from zoo.operations import jobs
from zoo.operations.datasets import add_dataset
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.import_ import ImportOptions, enqueue_import, prepare_import, stage
from zoo.operations.opening import Zoo, open_zoo
from zoo.settings import read_settings
from zoo.training.digits import write_digits
from zoo.worker.local import LocalEngine
from zoo.worker.ray import RayEngine
from zoo.worker.supervisor import Supervisor

TICKS = os.sysconf("SC_CLK_TCK")
EACH = 10  # pictures of a class


def main() -> None:
    """Measure each way, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--ray", default="", metavar="HOST:PORT")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with open_zoo(read_settings(home=home, ray_address=given.ray)) as zoo:
            dataset = _stock(zoo, Path(folder) / "digits")
            print("| jobs run by | first word, s | CPU ms until then | CPU s in all | memory, MB |")
            print("| --- | --- | --- | --- | --- |")
            _measure(zoo, dataset, "new interpreters", _Never(zoo=zoo), given.jobs)
            _measure(zoo, dataset, "copies of the fork server", _Always(zoo=zoo), given.jobs)
            if given.ray:
                _measure(zoo, dataset, "a Ray cluster", RayEngine(zoo=zoo), given.jobs)


class _Never(LocalEngine):
    """An engine without its fork server."""

    def tend(self, *, is_idle: bool) -> None:
        """Keep nothing ready."""


class _Always(LocalEngine):
    """An engine whose fork server is ready."""

    def submit(self, attempt: Attempt) -> object:
        """Wait for it first."""
        self._started += 2
        self.tend(is_idle=True)
        while not self._forkserver.is_ready:
            time.sleep(0.01)
        return super().submit(attempt)

    def memory_mb(self) -> float:
        """Tell what the fork server holds."""
        return _memory_mb(self._forkserver._process.pid)  # noqa: SLF001  # it is measured


def _measure(zoo: Zoo, dataset: str, name: str, engine: object, count: int) -> None:
    worker, waits, starts, wholes, memory = Supervisor(zoo, engine), [], [], [], []
    for number in range(count + 1):
        job = enqueue_finetune(zoo, "lenet", dataset, name=f"m{type(engine).__name__}-{number}")
        while not worker.running:
            worker.step()
        pid = worker.running[0].process.pid
        while not (told := jobs.get_job(zoo, job.id)).events:
            time.sleep(0.002)
        first_ms = whole_ms = _cpu_ms(pid)
        while worker.running:
            memory.append(_memory_mb(pid))
            whole_ms = max(whole_ms, _cpu_ms(pid))
            time.sleep(0.02)
            worker.step()
        if number:  # The first one warms caches, and waits for the fork server.
            waits.append(_waited_s(told))
            starts.append(first_ms)
            wholes.append(whole_ms / 1000)
    held = f" + {engine.memory_mb():.0f} held ready" if isinstance(engine, _Always) else ""
    print(
        f"| {name} | {statistics.median(waits):.2f} | {statistics.median(starts):.0f} |"
        f" {statistics.median(wholes):.2f} | {max(memory):.0f}{held} |"
    )
    worker.close()


def _stock(zoo: Zoo, folder: Path) -> str:
    every = folder / "every"
    write_digits(every, range(5, 10))
    for label in range(5, 10):
        (folder / "digits" / str(label)).mkdir(parents=True)
        for picture in sorted((every / str(label)).iterdir())[:EACH]:
            picture.rename(folder / "digits" / str(label) / picture.name)
    starter = Path(str(files("zoo"))) / "starter" / "lenet-digits"
    enqueue_import(zoo, prepare_import(zoo, stage(zoo, starter), ImportOptions(name="lenet")))
    worker = Supervisor(zoo)
    while any(not job.state.is_final for job in jobs.list_jobs(zoo)):
        worker.step()
        time.sleep(0.05)
    worker.close()
    return add_dataset(zoo, folder / "digits").address


def _waited_s(job: Job) -> float:
    return (job.events[0].at - job.started_at).total_seconds()


def _cpu_ms(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return 1000 * sum(map(int, fields[11:15])) / TICKS


def _memory_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    told = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(told[0].split()[1]) / 1024 if told else 0.0


if __name__ == "__main__":
    sys.exit(main())
