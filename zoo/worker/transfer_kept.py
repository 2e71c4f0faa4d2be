"""The folder of a study of transfer: what its trainings came to, and the tensors of its bases."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.errors import Conflict, Invalid, MalformedCheckpoint
from zoo.formats.safetensors import read_safetensors, write_safetensors
from zoo.operations.written import write_whole
from zoo.training.transfer import State
from zoo.training.transferreport import run_name

RUNS = "runs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One training that a study needs; bases take no stage over."""

    kind: str
    stages: int
    seed: int

    @property
    def name(self) -> str:
        """What it is called in the file of runs."""
        return run_name(self.kind, self.stages, self.seed)


class KeptStudy:
    """What a study has done, in its folder."""

    def __init__(self, folder: Path, about: dict[str, Any], runs: dict[str, float]) -> None:
        self.folder, self.about, self.runs = folder, about, runs

    @classmethod
    def open(cls, folder: Path, about: dict[str, Any]) -> "KeptStudy":
        """Take up the study of a folder, or begin one.

        Raises:
            Conflict: it holds something else.
        """
        path = folder / RUNS
        if not path.exists():
            if folder.exists() and any(folder.iterdir()):
                raise Conflict(f"{folder} holds other files.", hint="Name another: -o FOLDER")
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder, about, {})
        try:
            told = json.loads(path.read_bytes())
            runs = {str(name): float(value) for name, value in told["runs"].items()}
            # More seeds may be asked for later; all else has to be as it was.
            same = {**told["about"], "seeds": about["seeds"]} == about
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MalformedCheckpoint(
                f"{path} cannot be understood: {error!r}",
                hint="Begin anew in another folder: -o FOLDER",
            ) from error
        if not same:
            raise Conflict(
                f"{folder} holds a study of other models, pictures, options or versions.",
                hint="Name another folder, or give the options it was begun with: -o FOLDER",
                folder=str(folder),
            )
        return cls(folder, about, runs)

    def add(self, training: Training, accuracy: float) -> None:
        """Keep what a training came to."""
        self.runs[training.name] = accuracy
        told = {"about": self.about, "runs": self.runs}
        write_whole(self.folder / RUNS, json.dumps(told, indent=2).encode() + b"\n")

    def add_base(self, training: Training, state: State) -> None:
        """Keep the tensors of a base."""
        weights = {name: tensor.numpy() for name, tensor in state.items()}
        write_whole(self._base(training.kind, training.seed), b"".join(write_safetensors(weights)))

    def read_base(self, kind: str | None, seed: int) -> State | None:
        """Read the tensors of a base; None where nothing is taken over."""
        if kind is None:
            return None
        path = self._base(kind, seed)
        if not path.exists():
            raise Invalid(
                f"{path} is gone, which stages are taken over from.",
                hint="Begin anew in another folder: -o FOLDER",
            )
        return {name: torch.tensor(array) for name, array in read_safetensors(path).items()}

    def _base(self, kind: str, seed: int) -> Path:
        return self.folder / f"{kind.replace(' ', '-')}-{seed}.safetensors"
