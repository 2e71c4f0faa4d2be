"""Predicting: a picture file in, classes with probabilities out."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.domain.config import GRAPH
from zoo.domain.prediction import ClassScore, Inference, Prediction
from zoo.domain.revision import Revision
from zoo.errors import NotRunnable
from zoo.images.prepare import read_picture
from zoo.operations.draft import NETWORK, NO_GRAPH
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.opening import Zoo
from zoo.serving.asking import PLAIN, Terms
from zoo.serving.lines import Target
from zoo.serving.predictor import Predictor
from zoo.serving.service import Service
from zoo.serving.shelf import Served

MOST_PICKED = 16  # classes; of more of them all are sorted
MOST_KNOWN = 10_000  # addresses; above it they are looked up again


def open_service(zoo: Zoo) -> Service:
    """Give what answers requests, with nothing loaded yet, of the size the settings allow."""
    return Service.open(zoo.settings, cache=zoo.graphs_folder)


def predict(  # noqa: PLR0913  # on what terms is the last
    zoo: Zoo,
    service: Service,
    address: str,
    pictures: Iterable[tuple[str, bytes | Path]],
    *,
    top: int = 5,
    terms: Terms = PLAIN,
) -> Iterator[Prediction]:
    """Predict pictures, given as (name, file or its bytes), one after the other.

    A dense network reads the same crop as the classifier; its map's average is told.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or it fails.
        UnreadablePicture, PathNotFound: a picture cannot be read.
        Overloaded, NotReady, DeadlinePassed, GoneAway: as `infer`.
    """
    with hold_predictor(zoo, service, address) as (target, served):
        predictor = served.classifier
        for name, picture in pictures:
            begun_ns = time.monotonic_ns()
            with service.turns.hold() as take:
                pixels = read_picture(
                    picture,
                    predictor.preprocessing,
                    name=name,
                    max_pixels=zoo.settings.max_picture_pixels,
                    take=take,
                )
            input_ns = time.monotonic_ns() - begun_ns
            (probabilities,) = service.desk.ask(
                target, served, pixels[np.newaxis], terms, input_ns=input_ns
            )
            yield Prediction(
                picture=name,
                model=target.address,
                provider=predictor.provider,
                scores=rank(probabilities, predictor.labels, top),
            )


def infer(
    zoo: Zoo, service: Service, address: str, images: NDArray[np.uint8], *, terms: Terms = PLAIN
) -> Inference:
    """Give the probabilities of N x H x W x 3 uint8 RGB pictures that are prepared already.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or it fails.
        BadRequest: the pictures are not of the size the network reads.
        TooLarge: there are more than ever may wait.
        Overloaded: too many wait already.
        NotReady: the process ends.
        DeadlinePassed: their turn did not come in time.
        GoneAway: the client did not wait for it.
    """
    with hold_predictor(zoo, service, address) as (target, served):
        probabilities = service.desk.ask(target, served, images, terms)
        return Inference(
            model=target.address,
            provider=served.classifier.provider,
            labels=served.classifier.labels,
            probabilities=probabilities,
        )


def hold_predictor(
    zoo: Zoo, service: Service, address: str
) -> AbstractContextManager[tuple[Target, Served]]:
    """Give the predictor that answers for a name now; it stays open meanwhile.

    While a newer revision of the name is being loaded, that is the one before it.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or one that cannot be loaded.
    """
    target = look_up(zoo, service, address)
    _refuse_network(target)
    return service.lines.hold(address, target)


def look_up(zoo: Zoo, service: Service, address: str) -> Target:
    """Find the revision of an address; what is known is right until the catalog changes.

    Raises:
        ModelNotFound, RevisionNotFound: there is none.
        NotRunnable: it has no graph.
    """
    caller = zoo.caller
    key = (address, caller.account, frozenset(caller.roles.items()))
    version = zoo.catalog.find_version()
    known = service.known.get(key)
    if known is not None and known[0] == version:
        return known[1]
    target = find_target(zoo, get_revision(zoo, address))
    if version is not None:
        if len(service.known) >= MOST_KNOWN:
            service.known.clear()
        service.known[key] = version, target
    return target


def find_predictor(zoo: Zoo, service: Service, revision: Revision) -> Predictor:
    """Give the predictor of a revision, loaded if need be; it may be closed for others' room.

    Raises:
        NotRunnable: the revision has no graph, or one that cannot be loaded.
    """
    with service.lines.hold_exactly(check_classifier(zoo, revision)) as served:
        return served.classifier


def check_classifier(zoo: Zoo, revision: Revision) -> Target:
    """Say where the graph of a revision is, which has to be a classifier of pictures.

    Raises:
        NotRunnable: it has none, or reads something else.
    """
    target = find_target(zoo, revision)
    _refuse_network(target)
    return target


def find_target(zoo: Zoo, revision: Revision) -> Target:
    """Say where the graph of a revision is.

    Raises:
        NotRunnable: it has none.
    """
    if revision.find_file(GRAPH) is None:
        raise NotRunnable(
            f"{revision.address} has no {GRAPH}. {_why_not(revision.summary)}".strip(),
            revision=revision.address,
        )
    file, path = get_file(zoo, revision, GRAPH)
    return Target(
        model=revision.model,
        revision=revision.id,
        digest=file.digest,
        graph=path,
        size_bytes=file.size_bytes,
        is_network=revision.summary.get("runs") == NETWORK,
    )


def _why_not(summary: Mapping[str, Any]) -> str:
    """Give what was told when a revision was made without a graph; empty where nothing was."""
    if reason := summary.get("reason", ""):
        return str(reason)
    told = (note for note in summary.get("notes", ()) if str(note).startswith(NO_GRAPH))
    return str(next(told, "")).removeprefix(NO_GRAPH).strip()


def _refuse_network(target: Target) -> None:
    if target.is_network:
        raise NotRunnable(
            f"{target.address} is a network, but no classifier of pictures.",
            hint=f"Send it tensors: POST /v2/models/{target.model}/infer",
            revision=target.address,
        )


def rank(
    probabilities: np.ndarray, labels: tuple[str, ...], top: int | None = None
) -> tuple[ClassScore, ...]:
    """Give the classes of a picture, the most probable first; the best ``top`` of them, or all."""
    order = _order(probabilities, top)
    scores = [  # A generator is begun anew for each.
        ClassScore(label=labels[index], index=index, probability=float(probabilities[index]))
        for index in order
    ]
    return tuple(scores)


def _order(probabilities: np.ndarray, top: int | None) -> Sequence[int]:
    """Give the places of the best, the first of equals first.

    Sorting all of a thousand classes costs more than all else that is written of them, so a few are
    picked out one by one.
    """
    if top is None or not 0 < top <= min(MOST_PICKED, len(probabilities)):
        order: list[int] = np.argsort(-probabilities, kind="stable")[:top].tolist()
        return order
    left, picked = probabilities.copy(), []
    for _ in range(top):
        picked.append(int(left.argmax()))
        left[picked[-1]] = -np.inf
    return picked
