"""Loading a graph: opened, tried once, and measured, before the first request sees it."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo.errors import NotRunnable
from zoo.serving.arena import Arena, Watched, opening_arena
from zoo.serving.bound import Bound
from zoo.serving.cuda import open_fastest
from zoo.serving.dense import open_graph
from zoo.serving.lane import Lane
from zoo.serving.memory import used_bytes
from zoo.serving.network import MOST_BYTES, Network, open_network
from zoo.serving.optimised import GraphCache, Note, size_of_weights
from zoo.serving.optimising import optimise, warm
from zoo.serving.pair import Pair, Runners
from zoo.serving.predictor import CUDA, Opening, Predictor, wants_cuda
from zoo.serving.shelf import Served

RUN_BYTES = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How graphs are loaded here."""

    device: str = "auto"
    run_bytes: int = RUN_BYTES  # most memory of the runs of a graph
    answer_bytes: int = MOST_BYTES  # of the largest answer of a network
    cache: GraphCache
    runners: Runners = field(default_factory=Runners)
    lane: Lane = field(default_factory=Lane)  # of the GPU, where there is one

    def prepare(self, digest: str, graph: Path) -> None:
        """Make the optimised copy of a graph, where there is none, so that it loads quickly."""
        if not wants_cuda(self.device) and self.cache.find(digest) is None:
            optimise(self.cache, digest, graph)

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
        network, arena = self._open_network(graph)
        return Served(
            predictor=replace(network, most_bytes=self.answer_bytes),
            arena=arena,
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
            with opening_arena(self.run_bytes) as arena:
                predictor = self._open_kept(path, note)
        except NotRunnable:  # It is damaged, and is made anew.
            self.cache.drop(digest)
            return None
        return Served(
            predictor=_watched(predictor, arena),
            arena=arena,
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
        optimise(self.cache, digest, graph)
        if (kept := self._find_kept(digest)) is not None:
            return replace(kept, is_from_cache=False)
        with opening_arena(self.run_bytes) as arena:
            predictor = open_graph(graph, Opening(device=self.device, is_in_arena=True))
            warm(predictor)  # It was tried, or there is no room for a copy.
        return Served(predictor=_watched(predictor, arena), arena=arena, size_bytes=0)

    def _open_network(self, graph: Path) -> tuple[Network, Arena | None]:
        """Open a network, and the arena of its runs; on a GPU where everything there runs."""
        if not wants_cuda(self.device):
            with opening_arena(self.run_bytes) as arena:
                network = open_network(graph, Opening(device=self.device, is_in_arena=True))
            return replace(network, session=Watched(network.session, arena)), arena
        network = self.lane.call(open_network, graph, Opening(device=self.device))
        if network.provider == CUDA:
            network = replace(network, session=Bound(session=network.session, lane=self.lane))
        return network, None


def _open_checked(path: Path, threads: int, note: Note) -> Predictor:
    """Open an optimised graph and hold it against what was noted of it.

    Raises:
        NotRunnable: it is damaged.
    """
    how = Opening(device="cpu", threads=threads, is_optimised=True, is_in_arena=True)
    predictor = open_graph(path, how)
    if not note.is_of(warm(predictor)):
        raise NotRunnable("The optimised graph says something else than it did.")
    return predictor


def _watched(predictor: Predictor, arena: Arena) -> Predictor:
    """Have the runs of a predictor watched for what they add to the arena of its sessions."""
    session = predictor.session
    if isinstance(session, Pair):
        wide, narrow = (Watched(one, arena) for one in (session.wide, session.narrow))
        return replace(predictor, session=replace(session, wide=wide, narrow=narrow))
    return replace(predictor, session=Watched(session, arena))
