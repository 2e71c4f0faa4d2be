"""Where a training keeps what it needs to go on after its process ended."""

import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.domain.job import Job
from zoo.errors import CatalogUnavailable, LeaseLost, MalformedCheckpoint, UnknownFormat
from zoo.formats.safetensors import read_safetensors, read_safetensors_metadata, write_safetensors
from zoo.operations import jobs
from zoo.operations.opening import Zoo
from zoo.operations.written import write_whole
from zoo.training.loop import Snapshot
from zoo.worker.finished import clear_finished, job_folder
from zoo.worker.progress import Progress

FIRST = "first.json"
COUNTS, ABOUT, CPU_S = "counts", "about", "cpu_s"


@dataclass(slots=True, kw_only=True)
class Snapshots:
    """The snapshots of one job.

    Each attempt writes a file of its own, so that one which lost its lease and does not know it yet
    cannot overwrite what its successor wrote.
    """

    folder: Path
    progress: Progress
    spent_s: float = 0.0  # CPU seconds of the attempts before

    @classmethod
    def of(cls, zoo: Zoo, job: Job, progress: Progress) -> "Snapshots":
        """Give those of an attempt's job, and remove those of jobs that are finished."""
        root = zoo.trainings_folder
        clear_finished(zoo, root)
        return cls(folder=job_folder(root, job), progress=progress)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of this process and of the attempts that it goes on from."""
        return self.spent_s + time.process_time()

    def find_first(self) -> dict[str, Any] | None:
        """Give what was published before the training began; None where nothing was."""
        try:
            told = json.loads((self.folder / FIRST).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def keep_first(self, told: Mapping[str, object]) -> None:
        """Remember what was published before the training."""
        write_whole(self.folder / FIRST, json.dumps(told).encode())

    def write(self, about: str, snapshot: Snapshot) -> None:
        """Keep a snapshot; ``about`` says of what training.

        Raises:
            LeaseLost: another attempt counts now; nothing is written.
        """
        self._check_lease()
        arrays = {
            name: tensor.detach().cpu().contiguous().numpy()
            for name, tensor in snapshot.tensors.items()
        }
        told = {
            COUNTS: json.dumps(snapshot.counts),
            ABOUT: about,
            CPU_S: repr(self.cpu_s),
        }
        data = b"".join(write_safetensors(arrays, metadata=told))
        write_whole(self.folder / f"{self.progress.attempt.number}.safetensors", data)

    def read(self, about: str) -> Snapshot | None:
        """Give the latest snapshot of this very training; None where there is none."""
        paths = sorted(self.folder.glob("*.safetensors"), key=lambda path: -int(path.stem))
        for path in paths:
            try:
                told = read_safetensors_metadata(path)
                weights = read_safetensors(path)
                if told[ABOUT] != about:
                    continue
                counts = json.loads(told[COUNTS])
                self.spent_s = float(told[CPU_S])
            except (MalformedCheckpoint, UnknownFormat, KeyError, ValueError):
                continue  # What cannot be read is trained again.
            tensors = {name: torch.tensor(weights[name]) for name in weights}
            return Snapshot(counts=counts, tensors=tensors)
        return None

    def clear(self) -> None:
        """Remove them all, unless another attempt counts by now and needs them."""
        if jobs.is_last(self.progress.zoo, self.progress.attempt):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _check_lease(self) -> None:
        """Ask whether this attempt still counts: it may have been frozen, and know nothing.

        A catalog that does not answer forbids nothing: what is written is this attempt's own.
        """
        if self.progress.lost.is_set():
            raise LeaseLost
        with contextlib.suppress(CatalogUnavailable):
            jobs.is_pausing(self.progress.zoo, self.progress.attempt)
