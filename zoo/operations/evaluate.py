"""Evaluating: how good a model is on a dataset, as it is served: by its graph, its preprocessing.

Classes are matched by name. What a model says beyond the dataset's classes counts as wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.dataset import Dataset, Picture, Split, find_renamed, tell_renamed
from zoo.domain.unequal import Unequal, is_weighed
from zoo.errors import ClassesDiffer
from zoo.images.prepare import Pixels, read_picture
from zoo.operations.datasets import get_dataset
from zoo.operations.fetch import get_revision
from zoo.operations.measuring import check_split
from zoo.operations.opening import Zoo
from zoo.operations.predict import find_predictor, open_service
from zoo.serving.predictor import Predictor
from zoo.training.metrics import (
    Accuracy,
    Comparison,
    Metrics,
    compare,
    find_unequal,
    measure,
    wilson,
)

OTHER = "(another class)"
BATCH = 8
TOP = 5
SIGNIFICANT = 0.05  # p below which one of two models is called better
NAMED = 5  # classes that an error names at most

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model says of one picture."""

    picture: Picture
    label: str
    probability: float
    truth_probability: float

    @property
    def is_right(self) -> bool:
        """Tell whether that is what the picture is labelled as."""
        return self.label == self.picture.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A model on one split of a dataset."""

    model: str  # "model@revision"
    dataset: str  # "name@id"
    split: Split
    provider: str  # the execution provider that really ran
    classes: tuple[str, ...]  # the dataset's
    metrics: Metrics  # columns of the confusion are the classes, and one more for all others
    top5: Accuracy | None  # None where the model has no more than five classes
    said: tuple[Said, ...]  # in the dataset's order
    unequal: Unequal | None  # what the accuracy is to be read beside, of classes of unequal size

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which pictures are right, N booleans."""
        return np.array([one.is_right for one in self.said])

    @property
    def wrong(self) -> list[Said]:
        """List the wrong pictures, the one that the model is surest of first."""
        wrong = [one for one in self.said if not one.is_right]
        return sorted(wrong, key=lambda one: -one.probability)

    def as_json(self) -> dict[str, Any]:
        """Write it down with plain JSON types."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "split": self.split.value,
            "provider": self.provider,
            "classes": list(self.classes),
            **self.metrics.as_json(),
            **({"unequal": self.unequal.as_json()} if self.unequal else {}),
            "top5": asdict(self.top5) if self.top5 else None,
            "wrong": [
                {
                    "picture": one.picture.path,
                    "digest": one.picture.digest,
                    "label": one.picture.label,
                    "said": one.label,
                    "probability": one.probability,
                    "truth_probability": one.truth_probability,
                }
                for one in self.wrong
            ],
        }


def evaluate(
    zoo: Zoo, model: str, dataset: str, split: Split, report: Report = lambda *_: None
) -> Evaluation:
    """Evaluate a model on a split of a dataset; ``report`` is told (done, total) pictures.

    Raises:
        ModelNotFound, RevisionNotFound, DatasetNotFound: there is no such thing.
        NotRunnable: the revision is no classifier with a graph.
        EmptyDataset: the dataset has no pictures of the split.
        ClassesDiffer: the model does not know a class of the dataset.
    """
    revision = get_revision(zoo, model)
    pictures = get_dataset(zoo, dataset)
    check_split(pictures, split)
    chosen = pictures.of_split(split)
    predictor = find_predictor(zoo, open_service(zoo), revision)
    columns = match_classes(predictor.labels, pictures, revision.address)
    rows = list(_predict(zoo, predictor, chosen, report))
    every = np.stack(rows).astype(np.float64)
    truth = np.array([pictures.classes.index(picture.label) for picture in chosen])
    metrics = _measure(every, truth, columns, pictures.classes)
    return Evaluation(
        model=revision.address,
        dataset=pictures.address,
        split=split,
        provider=predictor.provider,
        classes=pictures.classes,
        metrics=metrics,
        top5=_top5(every, columns[truth]),
        said=tuple(
            Said(
                picture=picture,
                label=predictor.labels[int(row.argmax())],
                probability=float(row.max()),
                truth_probability=float(row[columns[index]]),
            )
            for picture, row, index in zip(chosen, every, truth, strict=True)
        ),
        unequal=find_unequal(metrics, is_weighed=is_weighed(revision.summary)),
    )


def compare_models(first: Evaluation, second: Evaluation) -> tuple[Comparison, str]:
    """Compare two evaluations of the same pictures; give the figures and a sentence."""
    found = compare(first.right, second.right)
    one, other = _short_names(first.model, second.model)
    told = (
        f"{one} alone has {found.only_first} pictures right, {other} alone {found.only_second} "
        f"(McNemar's exact p = {found.p:.2g})"
    )
    if found.p >= SIGNIFICANT:
        return found, f"{told}: the two cannot be told apart on these pictures."
    better = one if found.only_first > found.only_second else other
    return found, f"{told}: {better} is better."


def _short_names(first: str, second: str) -> tuple[str, str]:
    """Name two revisions by their models, or by their ids too where it is the same model."""
    (one, _, one_id), (other, _, other_id) = first.partition("@"), second.partition("@")
    if one != other:
        return one, other
    return f"{one}@{one_id[:12]}", f"{other}@{other_id[:12]}"


def match_classes(labels: Sequence[str], dataset: Dataset, model: str) -> NDArray[np.intp]:
    """Give the model's output for each class of the dataset, by name.

    Raises:
        ClassesDiffer: the model does not know one.
    """
    missing = [label for label in dataset.classes if label not in labels]
    if missing:
        unused = [label for label in labels if label not in dataset.classes]
        # A model's classes keep their names, so the dataset's are those to be changed.
        renamed = {other: name for name, other in find_renamed(missing, unused).items()}
        told, hint = tell_renamed(renamed)
        raise ClassesDiffer(
            f"{model} does not know {_few(missing)}, which pictures of dataset {dataset.name!r} are"
            f" labelled as; it knows {_few(unused) if unused else 'no other'}.{told}",
            hint=hint
            or "Classes are matched by name. Fine-tune it first: zoo finetune MODEL DATASET",
            missing=missing,
            **({"renamed": renamed} if renamed else {}),
        )
    return np.array([labels.index(label) for label in dataset.classes])


def _few(names: Sequence[str]) -> str:
    told = ", ".join(map(repr, names[:NAMED]))
    return told if len(names) <= NAMED else f"{told} and {len(names) - NAMED} more"


def _predict(
    zoo: Zoo, predictor: Predictor, pictures: Sequence[Picture], report: Report
) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        zoo.blobs.bring(picture.digest for picture in batch)
        images = np.stack([read_for(zoo, predictor, picture) for picture in batch])
        yield from predictor.predict(images)
        report(start + len(batch), len(pictures))


def read_for(zoo: Zoo, predictor: Predictor, picture: Picture) -> Pixels:
    """Read a picture of a dataset as a predictor takes it."""
    return read_picture(
        zoo.blobs.local_path(picture.digest),
        predictor.preprocessing,
        name=picture.path,
        max_pixels=zoo.settings.max_picture_pixels,
    )


def _measure(
    every: NDArray[np.float64],
    truth: NDArray[np.intp],
    columns: NDArray[np.intp],
    classes: tuple[str, ...],
) -> Metrics:
    """Measure by the dataset's classes, and one more column for what lies beyond them."""
    beyond = np.delete(every, columns, axis=1)
    if not beyond.shape[1]:
        return measure(every[:, columns], truth, list(classes))
    folded = np.concatenate([every[:, columns], beyond.max(axis=1, keepdims=True)], axis=1)
    found = measure(folded, truth, [*classes, OTHER])
    return Metrics(
        accuracy=found.accuracy,
        per_class={label: one for label, one in found.per_class.items() if label != OTHER},
        confusion=found.confusion[:-1],
        log_loss=found.log_loss,
        calibration_error=found.calibration_error,
    )


def _top5(every: NDArray[np.float64], columns: NDArray[np.intp]) -> Accuracy | None:
    if every.shape[1] <= TOP:
        return None
    best = np.argsort(-every, axis=1, kind="stable")[:, :TOP]
    return wilson(int((best == columns[:, None]).any(axis=1).sum()), len(every))
