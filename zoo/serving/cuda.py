"""How a graph is opened on CUDA: the fastest way that gives what the plain way gives.

Nobody has seen these ways on every GPU, driver and release there is. So each is tried when a graph
is loaded: the same pictures run by it and by `session.run` without any options, in all numbers
that runs are padded to. A way that raises, comes up elsewhere or gives something else is told in
the log and not used. The plain way is always left.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zoo.errors import NotRunnable
from zoo.serving.batches import BUCKETS
from zoo.serving.bound import PLAIN_RUN, Bound
from zoo.serving.dense import DensePredictor, open_graph
from zoo.serving.lane import Lane
from zoo.serving.predictor import CUDA, Opening, Predictor, list_faults
from zoo.serving.shelf import Served

RUNS_AT_ONCE = 2  # One is on the device; the pictures of the next are laid together meanwhile.
DISTINCT = 13  # pictures that ways are tried by; no bucket is a multiple of it
LARGEST = 0.05  # of a row's largest probability: what 16 bits and other orders of sums come to
NEGLIGIBLE = 0.005  # of it, below which nothing is asked
DIFFERENCE = 0.25  # of what rows of different pictures differ by; beyond it one may be another's

LOG = logging.getLogger(__name__)


def options_of(*, prefers_nhwc: bool, has_graphs: bool = False) -> dict[str, str]:
    """Give options of the CUDA provider.

    Its own search for the quickest convolution takes up to seconds for each new shape. Memory is
    taken as it is asked for, not in powers of two, as each graph has its own.
    """
    options = {
        "cudnn_conv_algo_search": "HEURISTIC",
        "cudnn_conv_use_max_workspace": "1",
        "arena_extend_strategy": "kSameAsRequested",
    }
    if prefers_nhwc:
        options["prefer_nhwc"] = "1"
    if has_graphs:
        options["enable_cuda_graph"] = "1"
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run a graph."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    is_bound: bool = False  # to buffers that stay on the device
    has_graphs: bool = False  # whether runs are captured and replayed


PLAIN_WAY = Way(name=PLAIN_RUN)
WAYS = (  # the fastest first
    Way(
        name="graphs",
        options=options_of(prefers_nhwc=True, has_graphs=True),
        is_bound=True,
        has_graphs=True,
    ),
    Way(name="bound", options=options_of(prefers_nhwc=True), is_bound=True),
    Way(
        name="graphs-nchw",
        options=options_of(prefers_nhwc=False, has_graphs=True),
        is_bound=True,
        has_graphs=True,
    ),
    Way(name="bound-nchw", options=options_of(prefers_nhwc=False), is_bound=True),
    Way(name="tuned", options=options_of(prefers_nhwc=False)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Pictures of which it is known what a graph says of them."""

    provider: str  # that says it
    pictures: NDArray[np.uint8]
    expected: NDArray[np.float32]
    allowed: NDArray[np.float32]  # how far a row may be off

    @classmethod
    def of(cls, plain: Predictor) -> Self:
        """Ask the plain way, picture by picture.

        Raises:
            NotRunnable: it fails.
        """
        pictures = draw_pictures(plain.preprocessing.crop_px)
        rows = np.concatenate([plain.predict(one[np.newaxis]) for one in pictures])
        largest = rows.max(axis=1)
        others = np.abs(rows - np.roll(rows, 1, axis=0)).max(axis=1)
        told_apart = np.maximum(DIFFERENCE * others.mean(), NEGLIGIBLE * largest)
        allowed = np.minimum(LARGEST * largest, told_apart)
        return cls(provider=plain.provider, pictures=pictures, expected=rows, allowed=allowed)

    def holds(self, predictor: Predictor, count: int) -> bool:
        """Tell whether runs of so many pictures give what they should.

        There are two, of pictures in another order: the second shows that nothing is left of the
        first, as where a graph that was captured does not read what came since.

        Raises:
            NotRunnable: a run fails.
        """
        for first in (0, 1):
            chosen = (np.arange(count) + first) % len(self.pictures)
            found = predictor.predict(self.pictures[chosen])
            if (np.abs(found - self.expected[chosen]).max(axis=1) > self.allowed[chosen]).any():
                return False
        return True


def draw_pictures(size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw noise, always the same, of another brightness and contrast in each picture's colours."""
    random = np.random.default_rng(0)
    shape = (DISTINCT, 1, 1, 3)
    low, high = np.sort(random.integers(0, 256, (2, *shape)), axis=0)
    noise = random.random((DISTINCT, *size_px, 3), np.float32)
    pictures: NDArray[np.uint8] = (low + noise * (high - low)).astype(np.uint8)
    return pictures


def open_fastest(
    graph: Path, *, device: str, lane: Lane, ways: Sequence[Way] | None = None
) -> Served:
    """Open a graph by the first way that gives what the plain one does, and warm it.

    Without ``ways``, those that suit what it is and where it came up are tried.

    Raises:
        NotRunnable: it is no graph of the zoo's, or fails on the first picture.
        Unsupported: CUDA was asked for and the session came up without it.
    """
    plain = lane.call(open_graph, graph, Opening(device=device))
    if ways is None and plain.provider != CUDA:
        plain.predict(draw_pictures(plain.preprocessing.crop_px)[:1])
        return Served(predictor=plain, size_bytes=0)
    plain = _on_lane(plain, PLAIN_WAY, lane)
    trial = Trial.of(plain)
    for way in WAYS if ways is None else ways:
        if way.is_bound and isinstance(plain, DensePredictor):
            continue  # Its pictures are of any size.
        try:
            opening = Opening(device=device, provider_options=way.options)
            return _try_way(graph, opening, way, lane, trial)
        except list_faults() as error:
            LOG.warning("%s does not run by the way %r: %s", graph.name, way.name, error)
    return _served(graph, plain, _warm(plain, PLAIN_WAY, trial))


def _try_way(graph: Path, opening: Opening, way: Way, lane: Lane, trial: Trial) -> Served:
    """Open a graph by one way, and hold it against the plain one.

    Raises:
        Exception: one of `list_faults`: it does not work here.
    """
    # By no name of its own, as whoever holds a session last closes it.
    predictor = _on_lane(lane.call(open_graph, graph, opening), way, lane)
    if predictor.provider != trial.provider:
        raise NotRunnable(f"it comes up on {predictor.provider}.")
    return _served(graph, predictor, _warm(predictor, way, trial))


def _on_lane(opened: Predictor, way: Way, lane: Lane) -> Predictor:
    """Have a predictor run, and be closed, on the lane."""
    bound = Bound(session=opened.session, lane=lane, way=way.name, has_graphs=way.has_graphs)
    return replace(opened, session=bound)


def _warm(predictor: Predictor, way: Way, trial: Trial) -> int:
    """Run every number of pictures that runs are padded to; give the largest that has room.

    Raises:
        NotRunnable: they give something else than the plain way, or fail.
    """
    most = 0
    for count in BUCKETS:
        try:
            if way.is_bound:
                _bind(predictor, count)
            is_held = trial.holds(predictor, count)
        except list_faults() as error:
            # What was being captured when it failed cannot be relied on.
            if not most or way.has_graphs:
                raise
            predictor.session.drop(count)
            LOG.warning("Runs of %d pictures and more fail: %s", count, error)
            break
        if not is_held and way is not PLAIN_WAY:
            raise NotRunnable(f"{count} pictures give something else than by plain runs.")
        most = count
    if way.has_graphs and not all(trial.holds(predictor, one) for one in BUCKETS):
        raise NotRunnable("a graph gives something else once later ones were captured.")
    return most


def _bind(predictor: Predictor, count: int) -> None:
    memory = "cuda" if predictor.provider == CUDA else "cpu"
    shape = (count, *predictor.preprocessing.crop_px, 3)
    predictor.session.add(shape, len(predictor.labels), memory)


def _served(graph: Path, predictor: Predictor, most: int) -> Served:
    """Count the buffers, and for the weights, which lie on the device, the file they came in."""
    predictor.session.is_tried = True
    size_bytes = graph.stat().st_size + predictor.session.size_bytes
    return Served(predictor=predictor, size_bytes=size_bytes, most_together=most)
