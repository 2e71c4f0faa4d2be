"""Predicting: a picture file in, classes with probabilities out."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from zoo.domain.config import GRAPH
from zoo.domain.prediction import ClassScore, Prediction
from zoo.domain.revision import Revision
from zoo.errors import NotRunnable
from zoo.images.prepare import read_picture
from zoo.operations.draft import NETWORK
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import Zoo
from zoo.serving.dense import open_graph
from zoo.serving.predictor import Predictor
from zoo.serving.shelf import Shelf


def open_shelf(zoo: Zoo) -> Shelf:
    """Give an empty shelf of the size the settings allow."""
    return Shelf(size=zoo.settings.served_models)


def predict(
    zoo: Zoo,
    shelf: Shelf,
    address: str,
    pictures: Iterable[tuple[str, bytes | Path]],
    *,
    top: int = 5,
) -> Iterator[Prediction]:
    """Predict pictures, given as (name, file or its bytes), one after the other.

    A dense network reads the same crop as the classifier; its map's average is told.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph.
        UnreadablePicture, PathNotFound: a picture cannot be read.
    """
    revision = get_revision(zoo, address)
    predictor = find_predictor(zoo, shelf, revision)
    for name, picture in pictures:
        pixels = read_picture(
            picture,
            predictor.preprocessing,
            name=name,
            max_pixels=zoo.settings.max_picture_pixels,
        )
        (probabilities,) = predictor.predict(pixels[np.newaxis])
        yield Prediction(
            picture=name,
            model=revision.address,
            provider=predictor.provider,
            scores=rank(probabilities, predictor.labels, top),
        )


def find_predictor(zoo: Zoo, shelf: Shelf, revision: Revision) -> Predictor:
    """Take a revision's predictor from the shelf, opened if need be.

    Raises:
        NotRunnable: the revision has no graph.
    """
    if revision.summary.get("runs") == NETWORK:
        raise NotRunnable(
            f"{revision.address} is a network, but no classifier of pictures.",
            hint="Run its model.onnx yourself: zoo export MODEL --format onnx",
            revision=revision.address,
        )
    if revision.find_file(GRAPH) is None:
        reason = revision.summary.get("reason", "")
        raise NotRunnable(
            f"{revision.address} has no {GRAPH}. {reason}".strip(), revision=revision.address
        )
    file, path = get_file(zoo, revision, GRAPH)
    return shelf.take(file.digest, lambda: open_graph(path, device=zoo.settings.device))


def rank(
    probabilities: np.ndarray, labels: tuple[str, ...], top: int | None = None
) -> tuple[ClassScore, ...]:
    """Give the classes of a picture, the most probable first; the best ``top`` of them, or all."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(
        ClassScore(label=labels[index], index=int(index), probability=float(probabilities[index]))
        for index in order
    )
