"""Loading a graph: opened, tried once, and measured, before the first request sees it."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import NotRunnable
from zoo.serving.batches import MEASURED, choose_most_together
from zoo.serving.bound import Bound
from zoo.serving.costs import share_of
from zoo.serving.cuda import open_fastest
from zoo.serving.dense import open_graph
from zoo.serving.lane import Lane
from zoo.serving.memory import used_bytes
from zoo.serving.network import Network, open_network
from zoo.serving.optimised import GraphCache, Note, size_of_weights
from zoo.serving.pair import Pair, Runners
from zoo.serving.predictor import CUDA, Opening, Predictor, wants_cuda
from zoo.serving.shelf import Served

JOIN = b"Concat"
MOST_PARTED_BYTES = 2**26  # of a graph: a few times that is taken while it is rewritten
LEAST_SAVED = 0.02  # of the cost, for which a graph is run otherwise than it was published


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How graphs are loaded here."""

    device: str = "auto"
    cache: GraphCache
    runners: Runners = field(default_factory=Runners)
    lane: Lane = field(default_factory=Lane)  # of the GPU, where there is one

    def prepare(self, digest: str, graph: Path) -> None:
        """Make the optimised copy of a graph, where there is none, so that it loads quickly."""
        if not wants_cuda(self.device) and self.cache.find(digest) is None:
            self._optimise(digest, graph)

    def load(self, digest: str, graph: Path) -> Served:
        """Open a graph, warm it, and measure what it takes.

        Raises:
            NotRunnable: it is no graph of the zoo's, or fails on the first picture.
            Unsupported: CUDA was asked for and the session came up without it.
        """
        begun_ns, before_bytes = time.monotonic_ns(), used_bytes()
        served = self._find_kept(digest) or self._open_new(digest, graph)
        return replace(
            served,
            size_bytes=max(used_bytes() - before_bytes + served.size_bytes, graph.stat().st_size),
            load_ns=time.monotonic_ns() - begun_ns,
        )

    def load_network(self, graph: Path) -> Served:
        """Open a graph that is served as it is; what its inputs could be is not known to warm it.

        Raises:
            NotRunnable, Unsupported: as `load`.
        """
        begun_ns, before_bytes = time.monotonic_ns(), used_bytes()
        return Served(
            predictor=self._on_lane(open_network(graph, Opening(device=self.device))),
            size_bytes=max(used_bytes() - before_bytes, graph.stat().st_size),
            load_ns=time.monotonic_ns() - begun_ns,
        )

    def _find_kept(self, digest: str) -> Served | None:
        """Open the optimised graph, where there is one that says what it said before."""
        found = None if wants_cuda(self.device) else self.cache.find(digest)
        if found is None:
            return None
        path, note = found
        try:
            predictor = self._open_kept(path, note)
        except NotRunnable:  # It is damaged, and is made anew.
            self.cache.drop(digest)
            return None
        return Served(
            predictor=predictor,
            size_bytes=size_of_weights(path),
            most_together=note.most_together,
            is_from_cache=True,
        )

    def _open_kept(self, path: Path, note: Note) -> Predictor:
        """Open an optimised graph, for runs on every core and for runs on one.

        Raises:
            NotRunnable: it is damaged.
        """
        wide = _open_checked(path, self.runners.count, note)
        if self.runners.count == 1:
            return wide
        narrow = _open_checked(path, 1, note)
        pair = Pair(wide=wide.session, narrow=narrow.session, runners=self.runners)
        return replace(wide, session=pair)

    def _open_new(self, digest: str, graph: Path) -> Served:
        """Open a graph as it was published; on the CPU its optimised copy, once that is made."""
        if wants_cuda(self.device):
            return open_fastest(graph, device=self.device, lane=self.lane)
        self._optimise(digest, graph)
        if (kept := self._find_kept(digest)) is not None:
            return replace(kept, is_from_cache=False)
        predictor = open_graph(graph, Opening(device=self.device))
        warm(predictor)  # It was tried, or there is no room for a copy.
        return Served(predictor=predictor, size_bytes=0)

    def _on_lane(self, network: Network) -> Network:
        """Have a network on a GPU run where everything does there."""
        if network.provider != CUDA:
            return network
        return replace(network, session=Bound(session=network.session, lane=self.lane))

    def _optimise(self, digest: str, graph: Path) -> None:
        """Keep a graph optimised, with what it says and how many pictures its runs should hold.

        One thread runs it meanwhile, whose time is not mixed with that of requests. Where it fails,
        or cannot be written, nothing is kept.
        """
        with self.cache.adding(digest) as written, contextlib.suppress(NotRunnable):
            if written is not None:
                usual = _open_alone(graph, written)
                note = Note.of(warm(usual), most_together=1)
                alone, path = _open_parted(graph, (usual, note), written) or (usual, written)
                most = choose_most_together(_measuring(alone))
                self.cache.keep(digest, path, replace(note, most_together=most))


def _open_checked(path: Path, threads: int, note: Note) -> Predictor:
    """Open an optimised graph and hold it against what was noted of it.

    Raises:
        NotRunnable: it is damaged.
    """
    predictor = open_graph(path, Opening(device="cpu", threads=threads, is_optimised=True))
    if not note.is_of(warm(predictor)):
        raise NotRunnable("The optimised graph says something else than it did.")
    return predictor


def _open_alone(graph: Path | bytes, written: Path) -> Predictor:
    """Open a graph for runs on one thread, and write it down as it is optimised for them.

    Raises:
        NotRunnable: it cannot be opened.
    """
    return open_graph(graph, Opening(device="cpu", threads=1, save_as=written))


def _open_parted(
    graph: Path, usual: tuple[Predictor, Note], written: Path
) -> tuple[Predictor, Path] | None:
    """Open a graph without its concatenations, where that says the same and costs less.

    Give it, and where it was written to.
    """
    if graph.stat().st_size > MOST_PARTED_BYTES or JOIN not in (data := graph.read_bytes()):
        return None
    from zoo.serving.parts import part_joins  # noqa: PLC0415  # slow to import

    path = written.parent / "parted" / written.name  # which names the file of its weights
    path.parent.mkdir()
    alone, note = usual
    try:
        parted = _open_alone(part_joins(data), path)
        if not note.is_of(warm(parted)):
            return None
    except NotRunnable:
        return None
    share = share_of(*(partial(_measuring(one), 1) for one in (alone, parted)))
    return (parted, path) if share <= 1 - LEAST_SAVED else None


def warm(predictor: Predictor, count: int = 1) -> NDArray[np.float32]:
    """Run a predictor once over so many pictures, the first of which is always the same.

    Raises:
        NotRunnable: it fails.
    """
    return predictor.predict(_draw_pictures(predictor, count))


def _draw_pictures(predictor: Predictor, count: int) -> NDArray[np.uint8]:
    height, width = predictor.preprocessing.crop_px
    drawn: NDArray[np.uint8] = np.random.default_rng(0).integers(
        0, 256, (count, height, width, 3), np.uint8
    )
    return drawn


def _measuring(predictor: Predictor) -> Callable[[int], float]:
    """Give what tells the CPU nanoseconds that a picture of so many in a run costs this thread."""
    pictures = _draw_pictures(predictor, MEASURED[-1])

    def measure_ns(count: int) -> float:
        begun_ns = time.thread_time_ns()
        predictor.predict(pictures[:count])
        return (time.thread_time_ns() - begun_ns) / count

    return measure_ns
