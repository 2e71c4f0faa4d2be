"""The proof of a graph that answers for the validation pictures itself.

Where the codes that a head was fitted to are in bfloat16, they say nothing of the network that is
published. Its graph, in fp32 as it is served, is then asked about every validation picture, and a
few of them go through the network in torch as well, in fp32 too: the witnesses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from onnxruntime import InferenceSession

from zoo.domain.dataset import Picture
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.weights import Array
from zoo.export.halves import Halves, find_halves
from zoo.export.parity import (
    INPUT,
    OUTPUT,
    RUNTIME_ERRORS,
    Parity,
    compare_rows,
    conclude,
    open_session,
)
from zoo.operations.opening import Zoo
from zoo.training.cache import Codes, CodesCache
from zoo.worker.progress import Progress
from zoo.worker.proof import (
    PROVIDERS,
    RUNTIME_BATCH,
    check_parts,
    keep_codes,
    read_batches,
    refused,
)
from zoo.worker.witnesses import choose_witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What is to be proven, and on which pictures."""

    zoo: Zoo
    progress: Progress
    pictures: Sequence[Picture]
    preprocessing: Preprocessing
    graph: bytes

    def anew(self, network: Callable[[Array], Array], kept: CodesCache) -> tuple[Parity, Codes]:
        """Ask the graph about all pictures, and compare it with the network on the witnesses.

        ``network`` gives N x K probabilities. What the body of the graph gives of the pictures is
        kept.

        Returns:
            The parity on the witnesses, and what the graph says of all pictures, N x K.

        Raises:
            ParityBroken: the graph does not compute what the network computes.
        """
        halves = find_halves(self.graph)
        names = [OUTPUT, halves.codes] if halves else [OUTPUT]
        rows, codes = [], []
        try:
            session = open_session(halves.with_codes() if halves else self.graph, PROVIDERS)
            for done, batch in read_batches(
                self.zoo, self.pictures, self.preprocessing, size=RUNTIME_BATCH
            ):
                found, *given = session.run(names, {INPUT: batch})
                rows.append(found)
                codes.extend(given)
                self.progress.count("export", "validation pictures", done, len(self.pictures))
        except RUNTIME_ERRORS as error:
            raise refused(error) from error
        whole = np.concatenate(rows)
        seen, images = self._witnesses()
        expected = np.asarray(network(images), np.float32)
        parity = self._compared(expected, whole[seen], session)
        if halves is None:
            return parity, whole
        joined = np.concatenate(codes)
        said = _run_head(halves, joined)
        check_parts(whole, said)
        keep_codes(self.zoo, kept, self.pictures, joined)
        return parity, said

    def of_kept(self, halves: Halves, codes: Array, expected: Array) -> tuple[Parity, Codes]:
        """Ask the graph's head about what its body gave of the pictures before, N x D.

        The witnesses go through the whole graph again. ``expected`` is what the head gives on the
        codes that torch computed of them, N x K.

        Returns:
            As ``anew``.

        Raises:
            ParityBroken: the graph does not compute what the network computes, or its parts not
                what it does as a whole.
        """
        seen, images = self._witnesses()
        try:
            session = open_session(self.graph, PROVIDERS)
            whole = session.run([OUTPUT], {INPUT: images})[0]
        except RUNTIME_ERRORS as error:
            raise refused(error) from error
        said = _run_head(halves, codes)
        check_parts(whole, said[seen])
        parity = self._compared(expected, whole, session)
        total = len(self.pictures)
        message = f"validation pictures by kept codes, {len(seen)} whole"
        self.progress.count("export", message, total, total)
        return parity, said

    def _witnesses(self) -> tuple[list[int], Array]:
        """Give the places of the witnesses among the pictures, and their pixels."""
        places = {picture.digest: place for place, picture in enumerate(self.pictures)}
        witnesses = choose_witnesses(self.pictures)
        images = [batch for _, batch in read_batches(self.zoo, witnesses, self.preprocessing)]
        return [places[one.digest] for one in witnesses], np.concatenate(images)

    def _compared(self, expected: Array, found: Array, session: InferenceSession) -> Parity:
        parity = conclude([compare_rows(expected, found)], session)
        message = "pictures compared with torch"
        self.progress.count("export", message, parity.pictures, parity.pictures)
        return parity


def _run_head(halves: Halves, codes: Array) -> Codes:
    try:
        head = open_session(halves.head_alone(), PROVIDERS)
        said: Codes = head.run([OUTPUT], {halves.codes: codes})[0]
    except RUNTIME_ERRORS as error:
        raise refused(error) from error
    return said
