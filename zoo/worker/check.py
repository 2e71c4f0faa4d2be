"""The accuracy of what was just imported, held against what its card claims.

Weights that load without a fault can still be wrong, or be fed wrongly: the wrong order of the
channels costs ten to twenty points and raises no error. So a result that is worse than claimed, or
that nothing is claimed for, is measured again with the other order and other scales.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.dataset import Picture, Split
from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.errors import Invalid
from zoo.images.prepare import Pixels, read_picture
from zoo.networks.classifier import Classifier
from zoo.operations.datasets import get_dataset
from zoo.operations.draft import Draft
from zoo.operations.opening import Zoo
from zoo.serving.dense import open_graph
from zoo.serving.predictor import Opening
from zoo.training.metrics import Accuracy, wilson
from zoo.worker.built import Result
from zoo.worker.progress import Progress

BATCH = 16  # pictures
MOST_TRIED = 200  # pictures that other ways of feeding are tried on
GOOD = 0.95  # a share of right answers that needs no second look where nothing is claimed
SCALES = (1.0, 1 / 255, 1 / 128, 0.017)  # what zoos multiply pixels by
OTHER_ORDER = {Channels.RGB: Channels.BGR, Channels.BGR: Channels.RGB}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    """One way of feeding the network, and how many answers were right with it."""

    told: str
    preprocessing: Preprocessing
    accuracy: Accuracy


def check_accuracy(
    zoo: Zoo, dataset: str | None, draft: Draft, result: Result, progress: Progress
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Measure the accuracy on a dataset's validation pictures, if one was named.

    Returns:
        What was found, a sentence each, and what belongs in the summary.

    Raises:
        DatasetNotFound: there is no such dataset.
        Invalid: the network is no classifier, or its classes are not those of the dataset.
    """
    if dataset is None:
        return (), {}
    pictures = get_dataset(zoo, dataset)
    if result.pictures is None or not result.labels:
        raise Invalid(
            "The accuracy cannot be checked: the network is no classifier of pictures.",
            hint="Import it without --check.",
        )
    targets, by_order = match_classes(pictures.classes, result.labels)
    chosen = pictures.of_split(Split.VAL)
    bench = _Bench(zoo=zoo, result=result, targets=targets, progress=progress)
    accuracy = bench.measure(result.pictures, chosen)
    notes = [_tell_accuracy(accuracy, pictures.address)]
    if by_order:
        notes.append("The classes were compared by their order, as their names differ.")
    claim = draft.claims[0] if draft.claims else None
    if claim:
        notes.append(f"The card claims {claim.value:.1%}: “{claim.sentence}”")
    if is_suspicious(accuracy, claim.value if claim else None):
        notes.append(bench.try_others(result.pictures, chosen[:: _step(len(chosen))]))
    return tuple(notes), {"accuracy": asdict(accuracy), "checked_on": pictures.address}


def is_suspicious(accuracy: Accuracy, claimed: float | None) -> bool:
    """Tell whether a result asks for a second look: surely below the claim, or without one."""
    return accuracy.value < GOOD if claimed is None else accuracy.high < claimed


def match_classes(classes: Sequence[str], labels: Sequence[str]) -> tuple[dict[str, int], bool]:
    """Find the output of each class: by name, by one of its synonyms, else by order.

    Returns:
        The index of the output by class, and whether only the order could be compared.

    Raises:
        Invalid: neither names nor counts agree.
    """
    known: dict[str, int] = {}
    for index, label in enumerate(labels):
        for name in (label, *label.split(",")):
            known.setdefault(_plain(name), index)
    found = {name: known[_plain(name)] for name in classes if _plain(name) in known}
    if len(found) == len(classes):
        return found, False
    if len(classes) == len(labels):
        return {name: index for index, name in enumerate(classes)}, True
    missing = [name for name in classes if name not in found]
    raise Invalid(
        f"The network has no output for {len(missing)} of the dataset's {len(classes)} classes:"
        f" {', '.join(missing[:10])}.",
        hint="Give the network's class names with --labels FILE, spelled as the folders are.",
        missing=missing,
    )


def other_feedings(chosen: Preprocessing) -> Iterator[tuple[str, Preprocessing]]:
    """List other ways of feeding a network: the other order of channels, other scales, both.

    Numbers for the mean belong to colours and pixels, so they follow both; the planes of a mean
    image are those of the network, whatever they are called.
    """
    orders = [("", chosen)]
    if chosen.channels in OTHER_ORDER:
        orders.append((f"channels {OTHER_ORDER[chosen.channels].value}", _reordered(chosen)))
    for told, ordered in orders:
        if told:
            yield told, ordered
        for scale in SCALES:
            if not 0.9 < scale / (ordered.scale / min(ordered.std)) < 1.1:  # noqa: PLR2004  # the same one
                yield f"{told}{', ' if told else ''}scale {scale:.4g}", _rescaled(ordered, scale)


def _reordered(chosen: Preprocessing) -> Preprocessing:
    return replace(
        chosen,
        channels=OTHER_ORDER[chosen.channels],
        mean=chosen.mean if chosen.mean_tensor else chosen.mean[::-1],
        std=chosen.std[::-1],
    )


def _rescaled(chosen: Preprocessing, scale: float) -> Preprocessing:
    factor = scale / chosen.scale
    return replace(
        chosen,
        scale=scale,
        mean=tuple(value * factor for value in chosen.mean),
        std=(1.0,) * chosen.channel_count,
        mean_tensor=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """A network on a dataset, measured with one way of feeding or another."""

    zoo: Zoo
    result: Result
    targets: dict[str, int]  # the output of each class
    progress: Progress

    def measure(self, preprocessing: Preprocessing, pictures: Sequence[Picture]) -> Accuracy:
        """Count the right answers."""
        right = 0
        classify = _classify_with(self.result, preprocessing)
        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            images = np.stack([_load(self.zoo, preprocessing, picture) for picture in batch])
            wanted = [self.targets[picture.label] for picture in batch]
            right += int((classify(images).argmax(axis=1) == wanted).sum())
            self.progress.count("check", "pictures", start + len(batch), len(pictures))
        return wilson(right, len(pictures))

    def try_others(self, found: Preprocessing, pictures: Sequence[Picture]) -> str:
        """Measure other ways of feeding and say whether one is surely better."""
        if self.result.classifier is None:
            return "Other orders and scales can be tried only on networks that the zoo builds."
        first = self.measure(found, pictures)
        tried = [
            Feeding(told=told, preprocessing=other, accuracy=self.measure(other, pictures))
            for told, other in other_feedings(found)
        ]
        best = max(tried, key=lambda one: one.accuracy.right)
        other, right = best.preprocessing, best.accuracy.right
        if best.accuracy.value > first.high:
            return (
                f"Fed with {best.told} it reads {right} of {first.total} right, instead of"
                f" {first.right}: the preprocessing is likely wrong. Import it again with"
                f" {_options(other, found)}."
            )
        return (
            f"Other orders of channels and scales were tried on {first.total} pictures; none is"
            f" surely better (the best, {best.told}: {right} right instead of {first.right})."
        )


def _options(other: Preprocessing, found: Preprocessing) -> str:
    """Write the options of `zoo import` that make one preprocessing of another."""
    written = {
        "--channels": (other.channels.value, found.channels.value),
        "--scale": (f"{other.scale:.6g}", f"{found.scale:.6g}"),
        "--mean": (_numbers(other.mean), _numbers(found.mean)),
        "--std": (_numbers(other.std), _numbers(found.std)),
    }
    return " ".join(f"{name} {new}" for name, (new, old) in written.items() if new != old)


def _numbers(values: Sequence[float]) -> str:
    return ",".join(f"{value:.6g}" for value in values)


def _classify_with(result: Result, preprocessing: Preprocessing) -> Any:  # noqa: ANN401  # a function of a batch
    """Give what classifies a batch, fed in this way."""
    if result.classifier is None:
        return open_graph(result.graph or b"", Opening(device="cpu")).predict
    if preprocessing == result.pictures:
        return result.classifier.probabilities
    mean = _mean_image(result.classifier, preprocessing)
    return Classifier(result.classifier.network, preprocessing, mean).probabilities


def _mean_image(classifier: Classifier, preprocessing: Preprocessing) -> NDArray[Any] | None:
    """Give the mean image, which the classifier holds as what it subtracts."""
    if preprocessing.mean_tensor is None:
        return None
    image: NDArray[Any] = classifier.preprocess.mean.cpu().numpy()
    return image


def _load(zoo: Zoo, preprocessing: Preprocessing, picture: Picture) -> Pixels:
    return read_picture(
        zoo.blobs.local_path(picture.digest),
        preprocessing,
        name=picture.path,
        max_pixels=zoo.settings.max_picture_pixels,
    )


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", " ")


def _step(count: int) -> int:
    """Take every so-many-th picture, so that all classes are among those tried."""
    return max(1, -(-count // MOST_TRIED))


def _tell_accuracy(accuracy: Accuracy, dataset: str) -> str:
    return (
        f"Measured on {dataset}: {accuracy.right} of {accuracy.total} right, {accuracy.value:.3f}"
        f" ({accuracy.low:.3f} to {accuracy.high:.3f} at 95 %)."
    )
