"""The proof that the graph of a head on an unchanged body computes what torch does.

A body's codes are computed once in either runtime and kept, so a head that is fitted to kept codes
is proven on them: a few pictures go through the whole graph, whose answers have to be those of its
head on the kept codes; for all others the head reads what the same body gave before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.domain.dataset import Picture
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.errors import ParityBroken
from zoo.export.halves import Halves, find_halves
from zoo.export.parity import (
    INPUT,
    OUTPUT,
    RUNTIME_ERRORS,
    TIE,
    Parity,
    check_parity,
    compare_rows,
    conclude,
    open_session,
)
from zoo.operations.opening import Zoo
from zoo.training.cache import CodesCache
from zoo.training.eviction import evict
from zoo.worker.album import Album
from zoo.worker.progress import Progress
from zoo.worker.witnesses import choose_witnesses

BATCH = 16
RUNTIME_BATCH = 4  # of ONNX Runtime: SqueezeNet's maps of 4 stay in the cache, 16 cost a sixth more
PROVIDERS = ("CPUExecutionProvider",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is to be proven, and on which pictures."""

    zoo: Zoo
    progress: Progress
    pictures: Sequence[Picture]
    preprocessing: Preprocessing
    graph: bytes
    rows: Array  # N x K, what torch's side says of the pictures
    kept: CodesCache | None  # the body's codes in ONNX Runtime; None where none are to be kept

    def anew(self, network: Callable[[Array], Array]) -> Parity:
        """Compare on all pictures, each through the whole graph; what its body gives is kept.

        torch's side are the rows: a probe's are its head on the codes that the body gave. That the
        whole ``network`` computes just this is shown by running some pictures through all of it.

        Raises:
            ParityBroken: the graph does not compute what the network computes.
        """
        witnesses = choose_witnesses(self.pictures)
        check_parity(network, self.graph, (batch for _, batch in self._read(witnesses)))
        halves = find_halves(self.graph) if self.kept else None
        names = [OUTPUT, halves.codes] if halves else [OUTPUT]
        measured, codes = [], []
        try:
            session = open_session(halves.with_codes() if halves else self.graph, PROVIDERS)
            for done, batch in self._read(self.pictures, size=RUNTIME_BATCH):
                found, *given = session.run(names, {INPUT: batch})
                measured.append(compare_rows(self.rows[done - len(batch) : done], found))
                codes.extend(given)
                self.progress.count("export", "pictures compared", done, len(self.pictures))
        except RUNTIME_ERRORS as error:
            raise refused(error) from error
        parity = conclude(measured, session)
        if codes:
            assert self.kept is not None
            keep_codes(self.zoo, self.kept, self.pictures, np.concatenate(codes))
        return parity

    def of_kept(self, halves: Halves, codes: Array) -> Parity:
        """Compare on all pictures by what the same body gave of them, N x D, and some as a whole.

        Raises:
            ParityBroken: the graph does not compute what the network computes, or its parts not
                what it does as a whole.
        """
        witnesses = choose_witnesses(self.pictures)
        try:
            session = open_session(self.graph, PROVIDERS)
            whole = np.concatenate(
                [session.run([OUTPUT], {INPUT: batch})[0] for _, batch in self._read(witnesses)]
            )
            head = open_session(halves.head_alone(), PROVIDERS)
            found = head.run([OUTPUT], {halves.codes: codes})[0]
        except RUNTIME_ERRORS as error:
            raise refused(error) from error
        places = {picture.digest: place for place, picture in enumerate(self.pictures)}
        seen = [places[picture.digest] for picture in witnesses]
        check_parts(whole, found[seen])
        found[seen] = whole
        parity = conclude([compare_rows(self.rows, found)], session, whole=len(seen))
        total = len(self.pictures)
        self.progress.count("export", f"pictures compared, {len(seen)} whole", total, total)
        return parity

    def _read(
        self, pictures: Sequence[Picture], *, size: int = BATCH
    ) -> Iterator[tuple[int, Array]]:
        return read_batches(self.zoo, pictures, self.preprocessing, size=size)


def check_parts(whole: Array, parts: Array) -> None:
    """Check that a graph says the same as its head on the codes of its body.

    Raises:
        ParityBroken: it does not.
    """
    apart = float(np.abs(np.subtract(whole, parts)).max())
    if not apart <= TIE:  # nan is not
        raise ParityBroken(
            f"The graph and its head on kept codes differ by {apart:.2g} on whole pictures.",
            hint="The codes are another network's; delete the folder cache/ of the zoo.",
        )


def keep_codes(zoo: Zoo, kept: CodesCache, pictures: Sequence[Picture], codes: Array) -> None:
    """Keep the codes of pictures, N x D, that are not kept yet."""
    fresh = {one.digest: row for one, row in zip(pictures, codes, strict=True)}
    known = kept.read(fresh)
    missing = [digest for digest in fresh if digest not in known]
    if missing:
        kept.add(missing, np.stack([fresh[digest] for digest in missing]))
        evict(zoo.codes_folder, zoo.settings.cache_bytes)


def read_batches(
    zoo: Zoo, pictures: Sequence[Picture], preprocessing: Preprocessing, *, size: int = BATCH
) -> Iterator[tuple[int, Array]]:
    """Read pictures in batches; give how many were read, and each batch."""
    album = Album(zoo=zoo, preprocessing=preprocessing)
    for start in range(0, len(pictures), size):
        batch = pictures[start : start + size]
        rows = [album.read(picture.digest, name=picture.path) for picture in batch]
        yield start + len(batch), np.stack(rows)


def refused(error: Exception) -> ParityBroken:
    """Say that ONNX Runtime cannot run a graph."""
    return ParityBroken(f"ONNX Runtime cannot run the graph: {error}")
