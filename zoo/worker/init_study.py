"""A study of how filters may begin, on a dataset: pictures in, a report of three files out."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.job import Job
from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.errors import Unsupported
from zoo.filters.scheme import Scheme, parse_scheme
from zoo.images.chart import Chart, Line, draw_chart
from zoo.images.prepare import Pixels, read_picture
from zoo.networks.preprocess import Preprocess
from zoo.operations import jobs
from zoo.operations.datasets import get_dataset
from zoo.operations.made import keep_files
from zoo.operations.measuring import InitStudy
from zoo.operations.opening import Zoo
from zoo.training.initreport import accuracy_rows, tell_study, write_markdown
from zoo.training.initstudy import Part, Study, run_study
from zoo.worker.progress import Progress

JSON, MARKDOWN, PLOT = "study.json", "study.md", "accuracy.png"
MOST_PIXELS = 2**28  # of all pictures together, which are held at once
LEAST_SPREAD = 1.0  # levels of 255; of pictures that are all alike

Report = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """What is compared, on how much of a dataset."""

    schemes: tuple[Scheme, ...]
    epochs: int
    seeds: int
    rate: float
    side_px: int
    training_pictures: int | None = None  # all of them otherwise


def study_schemes(zoo: Zoo, address: str, options: StudyOptions, report: Report) -> dict[str, Any]:
    """Train a small network from each scheme on a dataset; give all figures as plain JSON.

    ``report`` is told (step, what, done, total). Training pictures are those whose digests come
    first; all validation pictures are measured on.

    Raises:
        DatasetNotFound: there is no such dataset.
        Unsupported: the pictures are more than are held at once.
        Invalid: a scheme has no filters for the network.
    """
    dataset = get_dataset(zoo, address)
    training = sorted(dataset.of_split(Split.TRAIN), key=lambda picture: picture.digest)
    chosen = training[: options.training_pictures]
    validation = dataset.of_split(Split.VAL)
    _check_size(options.side_px, len(chosen) + len(validation))
    pixels = _read(zoo, [*chosen, *validation], options.side_px, report)
    preprocessing = _prepare_as(pixels[: len(chosen)], options.side_px)
    parts = (
        _part(dataset, chosen, pixels[: len(chosen)], preprocessing),
        _part(dataset, validation, pixels[len(chosen) :], preprocessing),
    )
    study = Study(
        schemes=options.schemes,
        epochs=options.epochs,
        seeds=options.seeds,
        rate=options.rate,
        classes=len(dataset.classes),
    )
    runs = run_study(study, *parts, lambda *far: report("train", "epochs", *far))
    commonest = Counter(picture.label for picture in validation).most_common(1)
    about = {
        "dataset": dataset.address,
        "classes": len(dataset.classes),
        "training_pictures": len(chosen),
        "validation_pictures": len(validation),
        "chance": commonest[0][1] / len(validation),  # of always naming the commonest class
        "side_px": options.side_px,
        "channels": "gray" if preprocessing.channels is Channels.GRAY else "colour",
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
    }
    return tell_study(study, runs, about)


def run(zoo: Zoo, job: Job, progress: Progress) -> None:
    """Do a study, and end the job with its report.

    Raises:
        Unsupported: the pictures are more than are held at once.
    """
    told = study_schemes(
        zoo, job.params["dataset"], options_of(InitStudy(**job.params["study"])), progress.count
    )
    with tempfile.TemporaryDirectory() as work:
        write_study(told, Path(work))
        files = {path.name: path.read_bytes() for path in Path(work).iterdir()}
    kept = keep_files(zoo, files)
    jobs.succeed(zoo, progress.attempt, {"report": JSON, **kept})


def options_of(study: InitStudy) -> StudyOptions:
    """Give what is studied; its schemes come as texts.

    Raises:
        Invalid: a scheme cannot be read.
    """
    return StudyOptions(
        schemes=tuple(map(parse_scheme, study.schemes)),
        epochs=study.epochs,
        seeds=study.seeds,
        rate=study.rate,
        side_px=study.side_px,
        training_pictures=study.training_pictures,
    )


def write_study(told: dict[str, Any], folder: Path) -> None:
    """Write the report into a folder: figures, tables, and the curves as a picture."""
    (folder / JSON).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(write_markdown(told, plot=PLOT), encoding="utf-8")
    seeds = told["training"]["seeds"]
    chart = Chart(
        title=f"{told['dataset'].partition('@')[0]}: mean of {seeds} seeds",
        across="epoch",
        upward="accuracy on validation pictures",
        lines=[Line(name=one["scheme"], values=one["accuracy"]["mean"]) for one in told["schemes"]],
        level=("chance", told["chance"]),
    )
    (folder / PLOT).write_bytes(draw_chart(chart))


def tell_accuracies(told: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Give the head and the rows of the table that a study is about."""
    return accuracy_rows(told)


def _check_size(side_px: int, count: int) -> None:
    if count * side_px * side_px > MOST_PIXELS:
        raise Unsupported(
            f"{count} pictures of {side_px} x {side_px} pixels are more than a study holds.",
            hint="Take smaller ones, or fewer: --size PIXELS --train-pictures N",
            most_pixels=MOST_PIXELS,
        )


def _read(zoo: Zoo, pictures: list[Picture], side_px: int, report: Report) -> NDArray[np.uint8]:
    """Read pictures, squeezed to squares: N x side x side x 3."""
    squared = Preprocessing(
        resize=Resize.SQUASH, resize_px=side_px, crop_px=(side_px, side_px), source="the study"
    )
    read: list[Pixels] = []
    for done, picture in enumerate(pictures, 1):
        path = zoo.blobs.local_path(picture.digest)
        most = zoo.settings.max_picture_pixels
        read.append(read_picture(path, squared, name=picture.path, max_pixels=most))
        report("read", "pictures", done, len(pictures))
    return np.stack(read)


def _prepare_as(pixels: NDArray[np.uint8], side_px: int) -> Preprocessing:
    """Take gray for pictures without colour; their mean becomes 0 and their deviation 1."""
    is_gray = bool((pixels == pixels[..., :1]).all())
    seen = pixels[..., :1] if is_gray else pixels
    mean = seen.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = np.maximum(seen.std(axis=(0, 1, 2), dtype=np.float64), LEAST_SPREAD)
    return Preprocessing(
        resize=Resize.SQUASH,
        resize_px=side_px,
        crop_px=(side_px, side_px),
        channels=Channels.GRAY if is_gray else Channels.RGB,
        scale=1.0,
        mean=tuple(map(float, mean)),
        std=tuple(map(float, deviation)),
        source="the training pictures of the study",
    )


def _part(
    dataset: Dataset,
    pictures: list[Picture] | tuple[Picture, ...],
    pixels: NDArray[np.uint8],
    preprocessing: Preprocessing,
) -> Part:
    index = {label: number for number, label in enumerate(dataset.classes)}
    return Part(
        images=Preprocess(preprocessing)(torch.from_numpy(pixels)),
        labels=torch.tensor([index[picture.label] for picture in pictures]),
    )
