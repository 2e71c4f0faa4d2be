"""A study of transfer: a network's stages between two datasets, each training kept as it ends.

The folder of a study holds ``runs.json`` and the tensors of the bases from the first training on;
given again, the study goes on with what is missing. Tables and the plot are written last.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.fx import GraphModule

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.job import Job
from zoo.domain.preprocessing import Preprocessing
from zoo.errors import OneClass, Unsupported
from zoo.filters.scheme import Scheme, parse_scheme
from zoo.images.chart import Chart, Line, draw_chart
from zoo.images.prepare import Pixels, read_picture
from zoo.images.resize import pixels_key
from zoo.networks.build import build_network
from zoo.networks.cutting import cut_at
from zoo.networks.initial import initialise
from zoo.networks.preprocess import Preprocess
from zoo.networks.stages import Stage, list_stages
from zoo.networks.surgery import HEAD, find_head, replace_head
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision, read_config
from zoo.operations.finetune import check_finetune
from zoo.operations.made import keep_files
from zoo.operations.measuring import TransferStudy
from zoo.operations.opening import Zoo
from zoo.operations.written import write_whole
from zoo.training.transfer import Bench, Course, Labelled, Task, Treatment
from zoo.training.transferreport import accuracy_rows, say, tell_transfer, write_markdown
from zoo.worker.finished import clear_finished, job_folder
from zoo.worker.parent import Parent, open_parent
from zoo.worker.progress import Progress
from zoo.worker.standardised import standardise
from zoo.worker.transfer_kept import KeptStudy, Training
from zoo.worker.undone import undo_dense

JSON, MARKDOWN, PLOT = "study.json", "study.md", "transfer.png"
MOST_PIXELS = 2**29  # of all pictures together, which are held at once
LOOKED_AT = 64  # pictures that data-driven schemes look at
SAMPLED = 8  # every so many-th training picture tells what numbers pictures are made of
LEAST_CLASSES = 2  # of a task
UPPER = 1_000_003  # added to the seed of what begins anew, so that it is not the base's beginning

Report = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """How a study is done."""

    epochs: int
    rate: float  # the highest
    batch: int
    seeds: int
    init: Scheme
    stages: int | None = None  # how many of the lowest are taken over at most; all otherwise

    @property
    def course(self) -> Course:
        """How every network is trained."""
        return Course(epochs=self.epochs, rate=self.rate, batch=self.batch)


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Do the trainings that attempts before did not, and end the job with the report.

    Raises:
        As ``study_transfer``.
    """
    clear_finished(zoo, zoo.trainings_folder)
    folder = job_folder(zoo.trainings_folder, job)
    study_transfer(
        zoo,
        job.params["model"],
        tuple(job.params["datasets"]),
        options_of(TransferStudy(**job.params["study"])),
        folder,
        report=progress.count,
    )
    files = {name: (folder / name).read_bytes() for name in (JSON, MARKDOWN, PLOT)}
    kept = keep_files(zoo, files)
    jobs.succeed(zoo, progress.attempt, {"report": JSON, **kept})
    shutil.rmtree(folder, ignore_errors=True)


def options_of(study: TransferStudy) -> TransferOptions:
    """Give how a study is done; its scheme comes as a text.

    Raises:
        Invalid: the scheme cannot be read.
    """
    return TransferOptions(
        epochs=study.epochs,
        rate=study.rate,
        batch=study.batch,
        seeds=study.seeds,
        init=parse_scheme(study.init),
        stages=study.stages,
    )


def study_transfer(  # noqa: PLR0913  # what is studied, how, and where it is kept
    zoo: Zoo,
    model: str,
    datasets: tuple[str, str],
    options: TransferOptions,
    folder: Path,
    *,
    report: Report,
) -> dict[str, Any]:
    """Do the trainings that the folder lacks, and write its tables; give all figures.

    Where both datasets are the same one, its classes are divided at random into A and B, anew for
    each seed. ``report`` is told (step, what, done, total).

    Raises:
        ModelNotFound, DatasetNotFound: there is no such thing.
        NoHead: the network has no classifier that could be replaced.
        Conflict: the folder holds another study.
        OneClass: a dataset has too few classes for a task, or for two.
        Unsupported: the pictures are more than are held at once, or the network has one stage.
    """
    revision = get_revision(zoo, model)
    check_finetune(zoo, revision, read_config(zoo, revision))
    parent = undo_dense(open_parent(zoo, revision.address))
    first, second = (get_dataset(zoo, address) for address in datasets)
    setting = _Setting(zoo=zoo, parent=parent, datasets=(first, second), options=options)
    about = setting.tell()
    kept = KeptStudy.open(folder, about)
    trainings = list(_trainings(len(setting.stages), options.seeds))
    for done, training in enumerate(trainings):
        report("train", "networks", done, len(trainings))
        if training.name not in kept.runs:
            _run(setting, kept, training)
    report("train", "networks", len(trainings), len(trainings))
    told = tell_transfer(about, kept.runs)
    _write(told, folder)
    return told


def tell_accuracies(told: dict[str, Any]) -> tuple[list[str], list[list[str]], list[str]]:
    """Give the head and the rows of the table that a study is about, and what it says."""
    return *accuracy_rows(told), say(told)


def _trainings(stages: int, seeds: int) -> Iterator[Training]:
    """List all trainings; seed after seed, so that a study that is cut short is a whole one."""
    for seed in range(seeds):
        yield Training(kind="base A", stages=0, seed=seed)
        yield Training(kind="base B", stages=0, seed=seed)
        for count in range(1, stages + 1):
            for treatment in Treatment:
                yield Training(kind=treatment, stages=count, seed=seed)


def _run(setting: "_Setting", kept: "KeptStudy", training: Training) -> None:
    tasks = setting.tasks(training.seed)
    bench = setting.bench(tasks[training.kind == "base A"])
    if training.stages == 0:
        state, accuracy = bench.train_base(tasks[training.kind != "base A"], training.seed)
        kept.add_base(training, state)
    else:
        treatment = Treatment(training.kind)
        accuracy = bench.transfer(
            treatment,
            kept.read_base(_donor(treatment), training.seed),
            setting.stages[training.stages - 1].end,
            tasks[1],
            UPPER + training.seed,
        )
    kept.add(training, accuracy)


def _donor(treatment: Treatment) -> str | None:
    """Name the base that stages are taken from."""
    return None if treatment is Treatment.RANDOM else f"base {treatment.value[0]}"


class _Setting:
    """The network and the tasks of a study, and what is told of them."""

    def __init__(
        self,
        *,
        zoo: Zoo,
        parent: Parent,
        datasets: tuple[Dataset, Dataset],
        options: TransferOptions,
    ) -> None:
        self.zoo, self.parent, self.datasets, self.options = zoo, parent, datasets, options
        pictures = parent.config.preprocessing
        self.at = find_head(parent.network).layer
        self.stages = _stages_below(parent.network, self.at)[: options.stages]
        if not self.stages:
            raise Unsupported(
                f"{parent.revision.address} has no weighted layer below its classifier"
                f" {self.at!r} that could be taken over.",
                hint="Choose a network of several layers: zoo show MODEL --layers",
                model=parent.revision.address,
            )
        self.are_halves = datasets[0].address == datasets[1].address
        for dataset in datasets:
            _check(dataset, pictures.crop_px, are_halves=self.are_halves)
        self.read: dict[str, Pixels] = {}
        self.preprocess = Preprocess(self._standardised())

    def tell(self) -> dict[str, Any]:
        """Tell what is studied, with plain JSON types."""
        course, (first, second) = self.options.course, self.datasets
        halves = f"half of the classes of `{first.address}`, drawn anew for each seed"
        return {
            "model": self.parent.revision.address,
            "stages": [{"layers": list(one.layers), "end": one.end} for one in self.stages],
            "tasks": {
                "A": halves if self.are_halves else f"`{first.address}`",
                "B": "the other half" if self.are_halves else f"`{second.address}`",
            },
            "validation_pictures": len(second.of_split(Split.VAL)) // (1 + self.are_halves),
            "course": {"epochs": course.epochs, "rate": course.rate, "batch": course.batch},
            "seeds": self.options.seeds,
            "init": str(self.options.init),
            "chance": self._chance(),
            "versions": {
                "torch": str(torch.__version__),
                "numpy": np.__version__,
                "pixels": pixels_key(),
            },
        }

    def tasks(self, seed: int) -> tuple[Task, Task]:
        """Give A and B."""
        first, second = self.datasets
        classes, others = self._classes(seed)
        return self._task(first, classes), self._task(second, others)

    def _classes(self, seed: int) -> tuple[Sequence[str], Sequence[str]]:
        """Give the classes of A and of B."""
        first, second = self.datasets
        if not self.are_halves:
            return first.classes, second.classes
        shuffled = np.random.default_rng(seed).permutation(len(first.classes))
        names = [first.classes[index] for index in shuffled]
        middle = len(names) // 2
        return names[:middle], names[middle:]

    def _chance(self) -> float:
        """Give what always naming B's commonest class has right, at most over the seeds."""
        counts = self.datasets[1].counts()[Split.VAL]
        parts = (self._classes(seed)[1] for seed in range(self.options.seeds))
        of_classes = ([counts[label] for label in part] for part in parts)
        return max(max(part) / sum(part) for part in of_classes)

    def bench(self, task: Task) -> Bench:
        """Give what trains; data-driven schemes look at a task's first training pictures."""
        seen = self.preprocess(torch.from_numpy(task.training.images[:LOOKED_AT]))

        def draw(classes: int, seed: int) -> GraphModule:
            network = build_network(self.parent.config.recipe, self.parent.paths)
            network = cut_at(replace_head(network, at=self.at, classes=classes), HEAD)
            initialise(network, self.options.init, seed=seed, inputs=(seen,))
            return network

        return Bench(draw=draw, preprocess=self.preprocess, course=self.options.course)

    def _task(self, dataset: Dataset, classes: Sequence[str]) -> Task:
        part = partial(self._labelled, dataset, classes)
        return Task(training=part(Split.TRAIN), validation=part(Split.VAL), classes=len(classes))

    def _labelled(self, dataset: Dataset, classes: Sequence[str], split: Split) -> Labelled:
        index = {label: number for number, label in enumerate(sorted(classes))}
        chosen = [picture for picture in dataset.of_split(split) if picture.label in index]
        return Labelled(
            images=np.stack([self._pixels(picture) for picture in chosen]),
            labels=np.array([index[picture.label] for picture in chosen]),
        )

    def _standardised(self) -> Preprocessing:
        """Give the model's preprocessing with numbers of mean 0 and deviation 1 to read.

        The weights that its own numbers were meant for are not used here, and new ones learn
        hardly at all from 0..255.
        """
        seen = [
            self._pixels(picture)
            for dataset in self.datasets
            for picture in dataset.of_split(Split.TRAIN)[::SAMPLED]
        ]
        return standardise(self.parent.config.preprocessing, seen)

    def _pixels(self, picture: Picture) -> Pixels:
        """Read a picture once."""
        if picture.digest not in self.read:
            self.read[picture.digest] = read_picture(
                self.zoo.blobs.local_path(picture.digest),
                self.parent.config.preprocessing,
                name=picture.path,
                max_pixels=self.zoo.settings.max_picture_pixels,
            )
        return self.read[picture.digest]


def _stages_below(network: GraphModule, at: str) -> tuple[Stage, ...]:
    """Give the stages that lie wholly below the classifier."""
    stages = list_stages(network)
    below = [number for number, stage in enumerate(stages) if at in stage.layers]
    return stages[: below[0]] if below else stages


def _check(dataset: Dataset, crop_px: tuple[int, int], *, are_halves: bool) -> None:
    needed = LEAST_CLASSES * (1 + are_halves)
    if len(dataset.classes) < needed:
        raise OneClass(
            f"Dataset {dataset.name!r} has {len(dataset.classes)} classes; "
            + (f"dividing it into two tasks takes {needed}." if are_halves else "a task takes 2."),
            dataset=dataset.name,
            classes=list(dataset.classes),
        )
    count = len(dataset.pictures)
    if count * crop_px[0] * crop_px[1] > MOST_PIXELS:
        raise Unsupported(
            f"{count} pictures of {crop_px[0]} x {crop_px[1]} pixels are more than a study holds.",
            hint="Take a network that reads smaller ones, or a part of the dataset.",
            most_pixels=MOST_PIXELS,
        )


def _write(told: dict[str, Any], folder: Path) -> None:
    write_whole(folder / JSON, json.dumps(told, indent=2).encode() + b"\n")
    write_whole(folder / MARKDOWN, write_markdown(told, plot=PLOT).encode())
    lines = [
        Line(name=treatment, values=[one["mean"] for one in told["treatments"][treatment]])
        for treatment in Treatment
    ]
    chart = Chart(
        title=f"Stages of {told['model'].partition('@')[0]} taken over",
        across="stages taken over",
        upward="accuracy on B's validation pictures",
        lines=lines,
        level=("base B", told["bases"]["base B"]["mean"]),
    )
    write_whole(folder / PLOT, draw_chart(chart))
