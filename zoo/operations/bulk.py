"""Predicting many pictures: read and run side by side, told in their order, in bounded memory."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeVar

import numpy as np

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.prediction import Answered, Asked
from zoo.domain.revision import Revision
from zoo.errors import EmptyDataset, PathNotFound, TooLarge, UnreadablePicture
from zoo.images.prepare import Pixels, read_picture
from zoo.operations.opening import Zoo
from zoo.operations.predict import find_predictor, open_service, rank
from zoo.serving.cores import count_cores
from zoo.serving.predictor import CPU, Predictor

BROUGHT = 256  # pictures that come from a store elsewhere before the next are asked about
CHUNK = 8  # pictures that a thread takes at once
GPU_CHUNK = 32  # likewise where they run together
AHEAD = 2  # chunks a thread that are begun before the first of them is told

UNREADABLE = (UnreadablePicture, PathNotFound, TooLarge)

Item = TypeVar("Item")
Result = TypeVar("Result")
Answers = Generator[Answered, None, None]
"""Whoever closes them ends the threads that work on the next ones."""


def open_for_many(zoo: Zoo, revision: Revision) -> Predictor:
    """Open the predictor of a revision, for pictures beyond number.

    Raises:
        NotRunnable: the revision is no classifier with a graph.
    """
    return find_predictor(zoo, open_service(zoo), revision)


def list_splits(dataset: Dataset, split: Split | None) -> tuple[Picture, ...]:
    """Give the pictures of a split of a dataset, or all.

    Raises:
        EmptyDataset: it has none of that split.
    """
    pictures = dataset.pictures if split is None else dataset.of_split(split)
    if not pictures:
        raise EmptyDataset(
            f"Dataset {dataset.name!r} has no pictures of the split {str(split)!r}.",
            hint=f"It has: {', '.join(dataset.counts())}.",
            dataset=dataset.name,
        )
    return pictures


def ask_about(zoo: Zoo, pictures: Sequence[Picture]) -> Iterator[Asked]:
    """Ask about pictures of a dataset, which are labelled."""
    for start in range(0, len(pictures), BROUGHT):
        some = pictures[start : start + BROUGHT]
        zoo.blobs.bring(one.digest for one in some)
        for one in some:
            path = zoo.blobs.local_path(one.digest)
            yield Asked(name=one.path, path=path, truth=one.label)


def predict_many(
    predictor: Predictor, asked: Iterable[Asked], *, top: int, max_pixels: int
) -> Answers:
    """Predict pictures in their order; one that cannot be read is answered with the reason.

    Each thread reads a few pictures and runs them. On a CPU they run one by one: that is as cheap
    as together, and each gets the very bits that it gets alone.

    Raises:
        NotRunnable: the graph fails.
    """
    is_cpu = predictor.provider == CPU
    size = CHUNK if is_cpu else GPU_CHUNK

    def answer(chunk: Sequence[Asked]) -> list[Answered]:
        read = [_read(predictor, one, max_pixels) for one in chunk]
        pictures = [picture for picture in read if not isinstance(picture, UNREADABLE)]
        rows = iter(_run(predictor, pictures, together=1 if is_cpu else GPU_CHUNK))
        return [
            Answered(asked=one, error=found)
            if isinstance(found, UNREADABLE)
            else Answered(
                asked=one,
                provider=predictor.provider,
                scores=rank(next(rows), predictor.labels, top),
            )
            for one, found in zip(chunk, read, strict=True)
        ]

    threads = count_cores()
    with closing(in_order(in_chunks(asked, size), answer, threads=threads)) as chunks:
        for answers in chunks:
            yield from answers


def in_order(
    items: Iterable[Item], work: Callable[[Item], Result], *, threads: int
) -> Generator[Result, None, None]:
    """Do work on items in threads and give the results in the items' order.

    No more than a few items a thread are taken before the first of them is given, so however many
    there are, few are in memory. Whoever stops asking ends the work.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="bulk")
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= AHEAD * threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_chunks(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Give items by so many, the last ones by what is left."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def refuse_unreadable(answers: Answers) -> Answers:
    """Give answers on, up to the first picture that could not be read.

    Raises:
        UnreadablePicture, PathNotFound, TooLarge: the reason.
    """
    with closing(answers):
        for answered in answers:
            if answered.error is not None:
                raise answered.error
            yield answered


def _read(
    predictor: Predictor, asked: Asked, max_pixels: int
) -> Pixels | UnreadablePicture | PathNotFound | TooLarge:
    """Read a picture, or give the reason why it cannot be read."""
    try:
        return read_picture(
            asked.path, predictor.preprocessing, name=asked.name, max_pixels=max_pixels
        )
    except UNREADABLE as error:
        return error


def _run(
    predictor: Predictor, pictures: Sequence[Pixels], *, together: int
) -> Iterator[np.ndarray]:
    for some in in_chunks(pictures, together):
        yield from predictor.predict(np.stack(some))
